// The one way from native threads back to the JavaScript thread.
#pragma once

#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm {

// Carries calls to the JavaScript thread through a single thread-safe function. However many calls
// wait, one wake-up is pending at most: they all run in it, in order.
//
// A call must not own Node-API references: it may be destroyed on any thread. Keep those in
// `JsEnvironment` and carry their number.
class JsQueue : public std::enable_shared_from_this<JsQueue> {
 public:
  using Call = std::function<void(Napi::Env)>;

  // JavaScript thread only. The queue alone does not keep the process alive.
  static std::shared_ptr<JsQueue> create(Napi::Env env) {
    auto queue = std::shared_ptr<JsQueue>(new JsQueue());
    // The thread-safe function owns a share, dropped when Node finalizes it: a wake-up can be under
    // way until then.
    auto owner = std::make_unique<std::shared_ptr<JsQueue>>(queue);
    const napi_status status = napi_create_threadsafe_function(
        env, nullptr, nullptr, Napi::String::New(env, "mobillm"), 0, 1, owner.get(),
        [](napi_env, void* data, void*) {
          const std::unique_ptr<std::shared_ptr<JsQueue>> released(
              static_cast<std::shared_ptr<JsQueue>*>(data));
        },
        queue.get(),
        [](napi_env call_env, napi_value, void* context, void*) {
          static_cast<JsQueue*>(context)->drain(call_env);
        },
        &queue->function_);
    if (status != napi_ok) {
      throw Error(code::kNativeFailure, "Node could not create a thread-safe function.",
                  {{"status", static_cast<double>(status)}});
    }
    owner.release();
    napi_unref_threadsafe_function(env, queue->function_);
    return queue;
  }

  // From any thread. Returns false, and drops the call, once the queue was closed.
  bool post(Call call) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    calls_.push_back(std::move(call));
    if (!wake_pending_) {
      wake_pending_ = true;
      // Under the lock: `close` may not release the function between the check and this call.
      napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
    }
    return true;
  }

  // Whether the queue keeps the event loop alive. JavaScript thread only.
  void keep_alive(Napi::Env env, bool keep) {
    if (keep) {
      napi_ref_threadsafe_function(env, function_);
    } else {
      napi_unref_threadsafe_function(env, function_);
    }
  }

  // Drops what waits and lets the function go. JavaScript thread only; may be called twice.
  void close() {
    std::deque<Call> dropped;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
      dropped.swap(calls_);
    }
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
  }

 private:
  JsQueue() = default;

  // On the JavaScript thread; `env` is null while Node tears the environment down.
  void drain(napi_env env) {
    std::deque<Call> calls;
    {
      const std::lock_guard lock(mutex_);
      wake_pending_ = false;
      calls.swap(calls_);
    }
    if (env == nullptr) return;
    for (Call& call : calls) {
      const Napi::HandleScope scope(env);
      try {
        call(env);
      } catch (const Napi::Error& error) {
        // A callback of the application threw: report it as Node reports any uncaught exception,
        // and go on with the other calls.
        napi_fatal_exception(env, error.Value());
      }
    }
  }

  std::mutex mutex_;
  std::deque<Call> calls_;
  bool wake_pending_ = false;
  bool closed_ = false;
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace mobillm
