// What llama.cpp's return values mean, in the SDK's own codes.
#pragma once

#include <cstdint>

namespace mobillm::llamacpp {

enum class DecodeStatus { kDone, kNoRoom, kAborted };

// Reads the return value of `llama_decode`; throws NATIVE_FAILURE with the number for a failure.
DecodeStatus check_decode(std::int32_t status);

}  // namespace mobillm::llamacpp
