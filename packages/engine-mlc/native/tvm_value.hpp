// TVM's values: owners, calls, errors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mobillm/error.hpp"
#include "tvm_ffi_abi.hpp"

namespace mobillm::mlc {

// What TVM itself reported. NATIVE_FAILURE, unless whoever calls knows what it means.
class TvmError : public Error {
 public:
  // `kind` and `text` are TVM's own; `doing` completes "TVM could not …".
  TvmError(const std::string& doing, std::string kind, std::string text);

  const std::string& text() const noexcept { return text_; }

  // Its first line, as the end of a sentence without the full stop.
  std::string reason() const;

 private:
  std::string text_;
};

// One value, and a share of the object where it is one.
class Value {
 public:
  Value() noexcept { raw_.type_index = abi::kNone; }
  // Takes over a share that the library has handed out.
  static Value adopt(abi::Any raw) noexcept {
    Value value;
    value.raw_ = raw;
    return value;
  }
  Value(const Value& other) noexcept;
  Value(Value&& other) noexcept : raw_(std::exchange(other.raw_, abi::Any{})) {}
  Value& operator=(Value other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Value();

  const abi::Any& raw() const noexcept { return raw_; }
  bool is_none() const noexcept { return raw_.type_index == abi::kNone; }

  // Each throws TvmError when the value is of another type.
  std::int64_t integer() const;
  double number() const;
  bool boolean() const;
  std::string text() const;
  const abi::Tensor& tensor() const;

 private:
  abi::Any raw_{};
};

// One argument of a call: a view, good while what it was made of is.
class Argument {
 public:
  Argument(std::nullptr_t) noexcept { raw_.type_index = abi::kNone; }
  Argument(std::int64_t value) noexcept {
    raw_.type_index = abi::kInt;
    raw_.integer = value;
  }
  Argument(std::int32_t value) noexcept : Argument(std::int64_t{value}) {}
  Argument(bool value) noexcept {
    raw_.type_index = abi::kBool;
    raw_.integer = value ? 1 : 0;
  }
  Argument(double value) noexcept {
    raw_.type_index = abi::kFloat;
    raw_.number = value;
  }
  Argument(const char* text) noexcept {
    raw_.type_index = abi::kRawString;
    raw_.text = text;
  }
  Argument(const std::string& text) noexcept : Argument(text.c_str()) {}
  Argument(abi::Device device) noexcept {
    raw_.type_index = abi::kDevice;
    raw_.device = device;
  }
  Argument(abi::DataType type) noexcept {
    raw_.type_index = abi::kDataType;
    raw_.data_type = type;
  }
  Argument(const Value& value) noexcept : raw_(value.raw()) {}
  // Memory that TVM reads or writes during the call.
  static Argument memory(const void* address) noexcept {
    Argument argument(nullptr);
    argument.raw_.type_index = abi::kOpaquePointer;
    argument.raw_.pointer = const_cast<void*>(address);
    return argument;
  }

 private:
  abi::Any raw_{};
};
static_assert(sizeof(Argument) == sizeof(abi::Any));

// A function of TVM, or none.
class Function {
 public:
  Function() = default;
  // `doing` completes "TVM could not …" when a call fails.
  Function(Value function, std::string doing)
      : function_(std::move(function)), doing_(std::move(doing)) {}

  explicit operator bool() const noexcept { return !function_.is_none(); }
  const Value& value() const noexcept { return function_; }

  Value call(std::span<const Argument> arguments) const;
  template <typename... Arguments>
  Value operator()(const Arguments&... arguments) const {
    if constexpr (sizeof...(arguments) == 0) {
      return call({});
    } else {
      const Argument list[] = {Argument(arguments)...};
      return call(list);
    }
  }

 private:
  Value function_;
  std::string doing_;
};

// A function that the runtime registers; none when it does not.
Function find_global(const char* name);

// Like `find_global`; throws UNSUPPORTED, naming the function, when there is none.
Function require_global(const char* name);

// An `ffi.Shape`.
Value make_shape(std::span<const std::int64_t> extents);
inline Value make_shape(std::initializer_list<std::int64_t> extents) {
  return make_shape(std::span(extents.begin(), extents.size()));
}

// An `ffi.Array`.
Value make_array(const std::vector<Value>& items);

// Calls `visit` with each key and value of an `ffi.Map`, in its order.
template <typename Visit>
void for_each_entry(const Value& map, Visit visit) {
  const Function next(require_global("ffi.MapForwardIterFunctor")(map), "walk through a map");
  const Function size = require_global("ffi.MapSize");
  for (std::int64_t left = size(map).integer(); left > 0; --left) {
    visit(next(std::int64_t{0}), next(std::int64_t{1}));
    if (left > 1) next(std::int64_t{2});
  }
}

}  // namespace mobillm::mlc
