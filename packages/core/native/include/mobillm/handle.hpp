// Base of the JavaScript faces of native objects.
#pragma once

#include <napi.h>

#include <string>

#include "mobillm/error.hpp"
#include "mobillm/js_environment.hpp"
#include "mobillm/js_error.hpp"

namespace mobillm {

// An object that can be closed. `Self` registers its methods through `method` and `getter`, so that
// what they throw becomes a JavaScript error with its code.
template <typename Self>
class Handle : public Napi::ObjectWrap<Self> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info) {}

 protected:
  using Info = Napi::CallbackInfo;
  using Property = Napi::ClassPropertyDescriptor<Self>;

  template <Napi::Value (Self::*Body)(const Info&)>
  static Property method(const char* name) {
    return Napi::ObjectWrap<Self>::InstanceMethod(name, &Self::template call<Body>,
                                                  napi_default_method);
  }

  template <Napi::Value (Self::*Body)(const Info&)>
  static Property getter(const char* name) {
    return Napi::ObjectWrap<Self>::InstanceAccessor(name, &Self::template call<Body>, nullptr,
                                                    napi_enumerable);
  }

  // Throws CLOSED after `mark_closed`; `what` begins the sentence: "The model".
  void require_open(const char* what) const {
    if (closed_) throw Error(code::kClosed, std::string(what) + " was closed. Open it again.");
  }

  bool closed() const noexcept { return closed_; }

  // Returns false when it was closed before.
  bool mark_closed() noexcept {
    const bool first = !closed_;
    closed_ = true;
    return first;
  }

  JsEnvironment& environment(const Info& info) const { return JsEnvironment::of(info.Env()); }

 public:
  // Public for the address that `method` takes; not meant to be called.
  template <Napi::Value (Self::*Body)(const Info&)>
  Napi::Value call(const Info& info) {
    return guarded(info.Env(), [&] { return (static_cast<Self*>(this)->*Body)(info); });
  }

 private:
  bool closed_ = false;
};

}  // namespace mobillm
