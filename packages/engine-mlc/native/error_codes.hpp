// Codes of core's union that only this engine raises natively.
#pragma once

#include "mobillm/error.hpp"

namespace mobillm::mlc::code {
inline constexpr const char* kAddonIncompatible = "ADDON_INCOMPATIBLE";
inline constexpr const char* kAddonNotFound = "ADDON_NOT_FOUND";
}  // namespace mobillm::mlc::code
