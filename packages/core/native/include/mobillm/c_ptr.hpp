// One owner for every resource that a C library hands out.
#pragma once

#include <memory>

namespace mobillm {

// A deleter that calls a C function: `CPtr<llama_model, llama_model_free>`.
template <auto Free>
struct CallFree {
  template <typename T>
  void operator()(T* resource) const noexcept {
    Free(resource);
  }
};

// Owns a C pointer and frees it with `Free`, which is never called with null.
template <typename T, auto Free>
using CPtr = std::unique_ptr<T, CallFree<Free>>;

}  // namespace mobillm
