// Number of a token in a model's vocabulary.
#pragma once

#include <cstdint>

namespace mobillm {

using Token = std::int32_t;

// Stands for no token.
inline constexpr Token kNoToken = -1;

}  // namespace mobillm
