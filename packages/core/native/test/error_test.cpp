#include "mobillm/error.hpp"

#include <string>

#include "check.hpp"

using mobillm::Error;
using mobillm::InvalidArgument;

int main() {
  const Error full(mobillm::code::kContextFull, "The prompt does not fit.",
                   {{"promptTokens", 12.0}, {"path", std::string("a.gguf")}, {"exact", true}});
  CHECK_EQUAL(full.code(), std::string("CONTEXT_FULL"));
  CHECK_EQUAL(std::string(full.what()), std::string("The prompt does not fit."));
  CHECK_EQUAL(full.details().size(), 3u);
  CHECK_EQUAL(std::get<double>(full.details()[0].second), 12.0);
  CHECK_EQUAL(std::get<std::string>(full.details()[1].second), std::string("a.gguf"));
  CHECK_EQUAL(std::get<bool>(full.details()[2].second), true);

  const InvalidArgument type(InvalidArgument::Kind::kType, "threads", "must be an integer");
  CHECK_EQUAL(std::string(type.what()), std::string("\"threads\" must be an integer"));
  CHECK_EQUAL(type.code(), std::string("INVALID_ARGUMENT"));
  CHECK_EQUAL(type.key(), std::string("threads"));

  const InvalidArgument range(InvalidArgument::Kind::kRange, "threads", "must be at least 1");
  CHECK_EQUAL(std::string(range.what()), std::string("\"threads\": must be at least 1"));
  CHECK(range.kind() == InvalidArgument::Kind::kRange);
}
