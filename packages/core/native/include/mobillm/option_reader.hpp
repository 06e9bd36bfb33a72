// Typed reading of JavaScript values. The error names the key at fault. Options are checked in
// TypeScript first, with sentences made for users; this is the net below, so that no value of a
// wrong type ever reaches a library.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "mobillm/error.hpp"
#include "mobillm/utf8.hpp"

namespace mobillm {

// What a value is, in a word, for an error's sentence.
inline std::string describe_type(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_number:
      return "a number";
    case napi_string:
      return "a string";
    case napi_function:
      return "a function";
    case napi_object:
      return value.IsArray() ? "an array" : "an object";
    default:
      return "a value of another type";
  }
}

[[noreturn]] inline void throw_wrong_type(const std::string& key, const std::string& expected,
                                          Napi::Value value) {
  throw InvalidArgument(InvalidArgument::Kind::kType, key,
                        "must be " + expected + ", but it is " + describe_type(value));
}

inline std::string read_string(Napi::Value value, const std::string& key) {
  if (!value.IsString()) throw_wrong_type(key, "a string", value);
  Utf8Result text = to_utf8(value.As<Napi::String>().Utf16Value());
  if (text.lone_surrogate_at) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, key,
                          "holds half of a surrogate pair at index " +
                              std::to_string(*text.lone_surrogate_at) +
                              ", which is not a character");
  }
  return std::move(text.text);
}

inline double read_number(Napi::Value value, const std::string& key) {
  if (!value.IsNumber()) throw_wrong_type(key, "a number", value);
  return value.As<Napi::Number>().DoubleValue();
}

template <typename T>
T read_integer(Napi::Value value, const std::string& key, T min = std::numeric_limits<T>::min(),
               T max = std::numeric_limits<T>::max()) {
  const double number = read_number(value, key);
  if (std::trunc(number) != number) {
    throw InvalidArgument(InvalidArgument::Kind::kType, key, "must be an integer");
  }
  if (number < static_cast<double>(min) || number > static_cast<double>(max)) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, key,
                          "must be from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return static_cast<T>(number);
}

inline bool read_boolean(Napi::Value value, const std::string& key) {
  if (!value.IsBoolean()) throw_wrong_type(key, "true or false", value);
  return value.As<Napi::Boolean>().Value();
}

// Copies an Int32Array.
inline std::vector<std::int32_t> read_int32s(Napi::Value value, const std::string& key) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw_wrong_type(key, "an Int32Array", value);
  }
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

// Reads the members of an options object: `OptionReader(info[0], "options").integer("threads")`.
class OptionReader {
 public:
  OptionReader(Napi::Value value, std::string name)
      : object_(check(value, name)), name_(std::move(name)) {}

  Napi::Value value(const char* key) const { return object_.Get(key); }
  bool has(const char* key) const { return !object_.Get(key).IsUndefined(); }
  std::string path(const char* key) const { return name_.empty() ? key : name_ + "." + key; }

  std::string string(const char* key) const { return read_string(value(key), path(key)); }
  double number(const char* key) const { return read_number(value(key), path(key)); }
  bool boolean(const char* key) const { return read_boolean(value(key), path(key)); }
  template <typename T>
  T integer(const char* key, T min = std::numeric_limits<T>::min(),
            T max = std::numeric_limits<T>::max()) const {
    return read_integer<T>(value(key), path(key), min, max);
  }
  std::vector<std::int32_t> int32s(const char* key) const {
    return read_int32s(value(key), path(key));
  }
  Napi::Function function(const char* key) const {
    const Napi::Value found = value(key);
    if (!found.IsFunction()) throw_wrong_type(path(key), "a function", found);
    return found.As<Napi::Function>();
  }

 private:
  static Napi::Object check(Napi::Value value, const std::string& name) {
    if (!value.IsObject()) throw_wrong_type(name, "an object", value);
    return value.As<Napi::Object>();
  }

  Napi::Object object_;
  std::string name_;
};

}  // namespace mobillm
