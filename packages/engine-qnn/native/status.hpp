// What QNN's return values mean, in the SDK's own codes.
#pragma once

#include <string>

#include "qnn_abi.hpp"

namespace mobillm::qnn {

// The error for a failed call. `doing` completes "QNN could not …"; `library_text` is what the
// library says of the number, `log` what it logged meanwhile; either may be empty.
[[noreturn]] void throw_status(abi::Status status, const std::string& doing,
                               const std::string& library_text, const std::string& log);

}  // namespace mobillm::qnn
