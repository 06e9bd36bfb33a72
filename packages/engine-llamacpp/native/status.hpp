// What llama.cpp's return values mean, in the SDK's own codes.
#pragma once

#include <cstdint>

#include "mobillm/sequence.hpp"

namespace mobillm::llamacpp {

// Reads the return value of `llama_decode`; throws NATIVE_FAILURE with the number for a failure.
StepStatus check_decode(std::int32_t status);

// The same for a text that fits its context: throws ABORTED where the step was, NATIVE_FAILURE.
void require_decoded(std::int32_t status);

}  // namespace mobillm::llamacpp
