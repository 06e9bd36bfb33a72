#include "status.hpp"

#include <string>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::StepStatus;
using mobillm::llamacpp::check_decode;

int main() {
  CHECK(check_decode(0) == StepStatus::kDone);
  CHECK(check_decode(1) == StepStatus::kNoRoom);
  CHECK(check_decode(2) == StepStatus::kAborted);
  for (const int status : {-1, -3, 7}) {
    CHECK_THROWS(mobillm::Error, check_decode(status), {
      CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE"));
      CHECK_EQUAL(error.details()[0].first, std::string("status"));
      CHECK_EQUAL(std::get<double>(error.details()[0].second), static_cast<double>(status));
    });
  }
}
