// Registers what JavaScript sees. Loadable in the main thread and in any number of worker threads.

#include <napi.h>

#include "mobillm/js_environment.hpp"
#include "mobillm/sequence_handle.hpp"
#include "model_handle.hpp"
#include "option_structs.hpp"
#include "processors.hpp"
#include "tvm_library.hpp"
#include "weight_converter_handle.hpp"

namespace mobillm::mlc {

namespace {

using Info = Napi::CallbackInfo;

// initialize({ ffi, runtime }): opens the libraries, to be called before anything else. Returns
// { ffiVersion, ffiBuild, runtimeBuild, processors }.
Napi::Value initialize(const Info& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const LibraryFacts& facts = initialize_library(read_library_paths(info[0]));
    const abi::Version& version = facts.ffi_version;
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("ffiVersion", std::to_string(version.major) + "." + std::to_string(version.minor) +
                                 "." + std::to_string(version.patch));
    result.Set("ffiBuild", facts.ffi_build);
    result.Set("runtimeBuild", facts.runtime_build);
    result.Set("processors", static_cast<double>(allowed_processors().size()));
    return result;
  });
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  return guarded(env, [&] {
    JsEnvironment& environment = JsEnvironment::install(env);
    exports.Set("initialize", Napi::Function::New<initialize>(env, "initialize"));
    ModelHandle::define(env, exports);
    SequenceHandle::define(env, environment);
    WeightConverterHandle::define(env, exports);
    return exports;
  });
}

}  // namespace

}  // namespace mobillm::mlc

namespace {

Napi::Object start_addon(Napi::Env env, Napi::Object exports) {
  return mobillm::mlc::start(env, exports);
}

}  // namespace

NODE_API_MODULE(mobillm_mlc, start_addon)
