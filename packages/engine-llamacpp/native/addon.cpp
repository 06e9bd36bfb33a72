// Registers what JavaScript sees. Loadable in the main thread and in any number of worker threads.

#include <napi.h>

#include "cpu_load.hpp"
#include "embedding_handle.hpp"
#include "estimate_handle.hpp"
#include "file_handle.hpp"
#include "library.hpp"
#include "mobillm/js_environment.hpp"
#include "mobillm/log_sink_handle.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "model_handle.hpp"

namespace mobillm::llamacpp {

namespace {

using Info = Napi::CallbackInfo;

// initialize(backendFolder): to be called before anything else.
Napi::Value initialize(const Info& info) {
  return guarded(info.Env(), [&] {
    initialize_library(read_string(info[0], "backendFolder"));
    return info.Env().Undefined();
  });
}

// describe(): { library, build, devices: [{ id, kind, name }], processors }
Napi::Value describe(const Info& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    Napi::Object result = Napi::Object::New(env);
    result.Set("library", library_description());
    result.Set("build", library_build());
    result.Set("processors", allowed_processors());
    const std::vector<DeviceInfo> devices = list_devices();
    Napi::Array rows = Napi::Array::New(env, devices.size());
    for (std::size_t i = 0; i < devices.size(); ++i) {
      Napi::Object row = Napi::Object::New(env);
      row.Set("id", devices[i].id);
      row.Set("kind", devices[i].kind);
      row.Set("name", devices[i].name);
      rows.Set(static_cast<std::uint32_t>(i), row);
    }
    result.Set("devices", rows);
    return result;
  });
}

Napi::Value knows_architecture_named(const Info& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), knows_architecture(read_string(info[0], "architecture")));
  });
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  return guarded(env, [&] {
    JsEnvironment& environment = JsEnvironment::install(env);
    exports.Set("initialize", Napi::Function::New<initialize>(env, "initialize"));
    exports.Set("describe", Napi::Function::New<describe>(env, "describe"));
    exports.Set("knowsArchitecture",
                Napi::Function::New<knows_architecture_named>(env, "knowsArchitecture"));
    EmbeddingHandle::define(env, environment);
    EstimateHandle::define(env, exports);
    FileHandle::define(env, exports);
    LogSinkHandle::define(env, exports);
    ModelHandle::define(env, exports);
    SequenceHandle::define(env, environment);
    return exports;
  });
}

}  // namespace

}  // namespace mobillm::llamacpp

namespace {

Napi::Object start_addon(Napi::Env env, Napi::Object exports) {
  return mobillm::llamacpp::start(env, exports);
}

}  // namespace

NODE_API_MODULE(mobillm_llamacpp, start_addon)
