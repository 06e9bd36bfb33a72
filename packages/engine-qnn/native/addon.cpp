// Registers what JavaScript sees. Loadable in the main thread and in any number of worker threads.

#include <napi.h>

#include "compilation_handle.hpp"
#include "library_handle.hpp"
#include "mobillm/js_environment.hpp"
#include "mobillm/log_sink_handle.hpp"
#include "mobillm/sequence_handle.hpp"
#include "model_handle.hpp"

namespace {

Napi::Object start_addon(Napi::Env env, Napi::Object exports) {
  return mobillm::guarded(env, [&] {
    mobillm::JsEnvironment& environment = mobillm::JsEnvironment::install(env);
    mobillm::qnn::LibraryHandle::define(env, exports);
    mobillm::qnn::CompilationHandle::define(env, exports);
    mobillm::qnn::ModelHandle::define(env, exports);
    mobillm::LogSinkHandle::define(env, exports);
    mobillm::SequenceHandle::define(env, environment);
    return exports;
  });
}

}  // namespace

NODE_API_MODULE(mobillm_qnn, start_addon)
