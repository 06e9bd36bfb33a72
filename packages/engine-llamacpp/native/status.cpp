#include "status.hpp"

#include <string>

#include "mobillm/error.hpp"
#include "open_error.hpp"

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

void require_decoded(std::int32_t status) {
  switch (check_decode(status)) {
    case StepStatus::kDone:
      return;
    case StepStatus::kAborted:
      throw aborted();
    case StepStatus::kNoRoom:
      throw Error(code::kNativeFailure,
                  "llama.cpp found no room for a text that fits its context.");
  }
}

}  // namespace mobillm::llamacpp
