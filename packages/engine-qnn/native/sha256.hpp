// SHA-256 (FIPS 180-4) of bytes in memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "mobillm/abort_flag.hpp"

namespace mobillm::qnn {

// Lower-case hexadecimal. Throws ABORTED once `abort` is set.
std::string sha256_hex(std::span<const std::byte> data, const AbortFlag& abort);

}  // namespace mobillm::qnn
