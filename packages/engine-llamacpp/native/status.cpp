#include "status.hpp"

#include <string>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

StepStatus check_decode(std::int32_t status) {
  switch (status) {
    case 0:
      return StepStatus::kDone;
    case 1:
      return StepStatus::kNoRoom;
    case 2:
      return StepStatus::kAborted;
    default:
      throw Error(code::kNativeFailure,
                  "llama.cpp could not compute these tokens (llama_decode returned " +
                      std::to_string(status) +
                      "). Its own log, through the engine's log option, "
                      "says more.",
                  {{"status", static_cast<double>(status)}});
  }
}

}  // namespace mobillm::llamacpp
