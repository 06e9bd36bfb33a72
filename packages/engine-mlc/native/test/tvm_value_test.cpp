#include "tvm_value.hpp"

#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "runtime.hpp"

using namespace mobillm::mlc;

namespace {

std::uint64_t owners_of(const Value& value) {
  return value.raw().object->reference_counts & 0xffffffff;
}

void values_own_their_objects() {
  Value shape = make_shape({1, 2, 3});
  CHECK_EQUAL(owners_of(shape), 1u);
  {
    const Value copy = shape;
    CHECK_EQUAL(owners_of(shape), 2u);
    Value moved = std::move(shape);
    CHECK(shape.is_none());
    CHECK_EQUAL(owners_of(moved), 2u);
    shape = moved;
    CHECK_EQUAL(owners_of(shape), 3u);
  }
  CHECK_EQUAL(owners_of(shape), 1u);
  const Value array = make_array({shape, shape});
  CHECK_EQUAL(owners_of(shape), 3u);
}

void texts_short_and_long_come_back() {
  const Function parse = require_global("ffi.json.Parse");
  const std::string long_text(100, 'x');
  CHECK_EQUAL(parse("\"abc\"").text(), std::string("abc"));
  CHECK_EQUAL(parse("\"" + long_text + "\"").text(), long_text);
  CHECK_EQUAL(parse("12").integer(), std::int64_t{12});
  CHECK_EQUAL(parse("0.5").number(), 0.5);
  CHECK_EQUAL(parse("true").boolean(), true);
}

void maps_are_walked_in_order() {
  const Value map = require_global("ffi.json.Parse")("{\"a\":1,\"b\":2,\"c\":3}");
  std::string seen;
  for_each_entry(map, [&](const Value& key, const Value& value) {
    seen += key.text() + std::to_string(value.integer());
  });
  CHECK_EQUAL(seen, std::string("a1b2c3"));
  for_each_entry(require_global("ffi.json.Parse")("{}"),
                 [](const Value&, const Value&) { CHECK(false); });
}

void failures_carry_what_tvm_said() {
  CHECK_THROWS(TvmError, require_global("ffi.json.Parse")("{"), {
    CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE"));
    CHECK(std::string(error.what()).starts_with("TVM could not run ffi.json.Parse ("));
    CHECK(!error.text().empty());
  });
  CHECK_THROWS(TvmError, require_global("ffi.ArraySize")(0.5), {
    CHECK_EQUAL(error.details()[0].first, std::string("kind"));
    CHECK_EQUAL(std::get<std::string>(error.details()[0].second), std::string("TypeError"));
  });
  CHECK_THROWS(TvmError, make_shape({1}).text(),
               { CHECK(std::string(error.what()).find("type number 69") != std::string::npos); });
  CHECK(!find_global("there.is.no.such.function"));
  CHECK_THROWS(mobillm::Error, require_global("there.is.no.such.function"), {
    CHECK_EQUAL(error.code(), std::string("UNSUPPORTED"));
    CHECK(std::string(error.what()).find("there.is.no.such.function") != std::string::npos);
  });
}

}  // namespace

int main() {
  initialize_library(runtime_paths());
  values_own_their_objects();
  texts_short_and_long_come_back();
  maps_are_walked_in_order();
  failures_carry_what_tvm_said();
}
