// Native errors as JavaScript errors: an Error with `code` and `details`, a TypeError or RangeError
// with `code` and `key` for a wrong call. core/src/native/from-native.ts reads them back.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <variant>

#include "mobillm/error.hpp"

namespace mobillm {

// The JavaScript error for a native one. JavaScript thread only.
inline Napi::Error to_js_error(Napi::Env env, const Error& error) {
  if (const auto* wrong = dynamic_cast<const InvalidArgument*>(&error)) {
    Napi::Error result = wrong->kind() == InvalidArgument::Kind::kType
                             ? static_cast<Napi::Error>(Napi::TypeError::New(env, error.what()))
                             : static_cast<Napi::Error>(Napi::RangeError::New(env, error.what()));
    result.Set("code", Napi::String::New(env, error.code()));
    result.Set("key", Napi::String::New(env, wrong->key()));
    return result;
  }
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", Napi::String::New(env, error.code()));
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [name, value] : error.details()) {
    if (const auto* number = std::get_if<double>(&value)) {
      details.Set(name, *number);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      details.Set(name, *flag);
    } else {
      details.Set(name, std::get<std::string>(value));
    }
  }
  result.Set("details", details);
  return result;
}

// The JavaScript error for whatever was thrown; what has no code becomes NATIVE_FAILURE.
inline Napi::Error to_js_error(Napi::Env env, std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    return to_js_error(env, error);
  } catch (const std::bad_alloc&) {
    return to_js_error(env, Error(code::kOutOfMemory,
                                  "The system has no memory left for this call. Close other models "
                                  "or programs, or choose a smaller context."));
  } catch (const std::exception& error) {
    return to_js_error(env, Error(code::kNativeFailure, error.what()));
  }
}

// Runs the body of a native function; what it throws becomes a JavaScript exception.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace mobillm
