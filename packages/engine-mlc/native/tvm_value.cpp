#include "tvm_value.hpp"

#include <algorithm>

#include "tvm_library.hpp"

namespace mobillm::mlc {

namespace {

// What follows an object's header.
template <typename Cell>
const Cell& cell_of(const void* object) {
  return *reinterpret_cast<const Cell*>(static_cast<const char*>(object) + sizeof(abi::Object));
}

std::string to_text(const abi::ByteArray& bytes) { return {bytes.data, bytes.size}; }

[[noreturn]] void throw_raised(const std::string& doing) {
  void* error = nullptr;
  tvm().error_move_from_raised(&error);
  if (error == nullptr) throw TvmError(doing, "Error", "it gave no reason");
  abi::Any raw{};
  raw.type_index = static_cast<abi::Object*>(error)->type_index;
  raw.object = static_cast<abi::Object*>(error);
  const Value owner = Value::adopt(raw);
  const auto& cell = cell_of<abi::ErrorCell>(error);
  const std::string message = to_text(cell.message);
  // The only trace that a failed allocation leaves.
  if (message == "std::bad_alloc") {
    throw Error(code::kOutOfMemory,
                "The system has no memory left for TVM to " + doing +
                    ". Choose a smaller contextTokens, or close other models or programs.");
  }
  throw TvmError(doing, to_text(cell.kind), message);
}

[[noreturn]] void throw_wrong_type(const char* expected, std::int32_t type) {
  throw TvmError(std::string("give ") + expected, "TypeError",
                 "it gave a value of the type number " + std::to_string(type));
}

// The first line says what failed; what follows is for TVM's own developers. A check that failed
// ends in the colon before a text that it may lack.
std::string first_line(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  return line.substr(0, line.find_last_not_of(" :.\r") + 1);
}

}  // namespace

TvmError::TvmError(const std::string& doing, std::string kind, std::string text)
    : Error(code::kNativeFailure,
            "TVM could not " + doing + " (" + kind + ": " + first_line(text) + ").",
            {{"kind", kind}, {"text", text}}),
      text_(std::move(text)) {}

std::string TvmError::reason() const { return first_line(text_); }

Value::Value(const Value& other) noexcept : raw_(other.raw_) {
  if (raw_.type_index >= abi::kStaticObjectBegin) tvm().object_inc_ref(raw_.object);
}

Value::~Value() {
  if (raw_.type_index >= abi::kStaticObjectBegin) tvm().object_dec_ref(raw_.object);
}

std::int64_t Value::integer() const {
  if (raw_.type_index != abi::kInt) throw_wrong_type("an integer", raw_.type_index);
  return raw_.integer;
}

double Value::number() const {
  if (raw_.type_index == abi::kInt) return static_cast<double>(raw_.integer);
  if (raw_.type_index != abi::kFloat) throw_wrong_type("a number", raw_.type_index);
  return raw_.number;
}

bool Value::boolean() const {
  if (raw_.type_index != abi::kBool) throw_wrong_type("true or false", raw_.type_index);
  return raw_.integer != 0;
}

std::string Value::text() const {
  if (raw_.type_index == abi::kSmallString) {
    return {raw_.small_bytes, std::min<std::size_t>(raw_.small_length, sizeof raw_.small_bytes)};
  }
  if (raw_.type_index != abi::kString) throw_wrong_type("a text", raw_.type_index);
  return to_text(cell_of<abi::ByteArray>(raw_.object));
}

const abi::Tensor& Value::tensor() const {
  if (raw_.type_index != abi::kTensor) throw_wrong_type("a tensor", raw_.type_index);
  return cell_of<abi::Tensor>(raw_.object);
}

Value Function::call(std::span<const Argument> arguments) const {
  abi::Any result{};
  // The library declares its arguments as writable and leaves them as they are.
  auto* views = const_cast<abi::Any*>(reinterpret_cast<const abi::Any*>(arguments.data()));
  const int status = tvm().function_call(function_.raw().object, views,
                                         static_cast<std::int32_t>(arguments.size()), &result);
  if (status != 0) throw_raised(doing_);
  return Value::adopt(result);
}

Function find_global(const char* name) {
  const abi::ByteArray bytes{name, std::char_traits<char>::length(name)};
  void* function = nullptr;
  if (tvm().function_get_global(&bytes, &function) != 0) {
    throw_raised(std::string("look up ") + name);
  }
  if (function == nullptr) return {};
  abi::Any raw{};
  raw.type_index = abi::kFunction;
  raw.object = static_cast<abi::Object*>(function);
  return {Value::adopt(raw), std::string("run ") + name};
}

Function require_global(const char* name) {
  Function function = find_global(name);
  if (!function) {
    throw Error(code::kUnsupported,
                std::string("This build of the TVM runtime has no function ") + name +
                    ". Take the runtime of apache-tvm 0.27.0.post1.",
                {{"function", name}});
  }
  return function;
}

Value make_shape(std::span<const std::int64_t> extents) {
  const std::vector<Argument> arguments(extents.begin(), extents.end());
  return require_global("ffi.Shape").call(arguments);
}

Value make_array(const std::vector<Value>& items) {
  const std::vector<Argument> arguments(items.begin(), items.end());
  return require_global("ffi.Array").call(arguments);
}

}  // namespace mobillm::mlc
