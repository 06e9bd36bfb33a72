// Codes of the SDK's that this engine raises, beside those that core's error.hpp spells.
#pragma once

#include "mobillm/error.hpp"

namespace mobillm::qnn::code {

using namespace mobillm::code;
inline constexpr const char* kAddonIncompatible = "ADDON_INCOMPATIBLE";

}  // namespace mobillm::qnn::code
