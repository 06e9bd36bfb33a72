// Registers what JavaScript sees. Loadable in the main thread and in any number of worker threads.

#include <napi.h>

#include "cpu_load.hpp"
#include "device_rows.hpp"
#include "embedding_handle.hpp"
#include "estimate_handle.hpp"
#include "file_handle.hpp"
#include "library.hpp"
#include "mobillm/js_environment.hpp"
#include "mobillm/log_sink_handle.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "model_handle.hpp"
#include "optimize/requantized_file_handle.hpp"
#include "optimize/text_scorer_handle.hpp"
#include "processors.hpp"
#include "rpc.hpp"
#include "rpc_devices_handle.hpp"

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

// describe(): { library, build, processors }
Napi::Value describe(const Info& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    Napi::Object result = Napi::Object::New(env);
    result.Set("library", library_description());
    result.Set("build", library_build());
    result.Set("processors", allowed_processors());
    return result;
  });
}

// processors(root): { allowed, fast, fastCores, mixed } of this machine, or of the one whose system
// files lie below a folder.
Napi::Value processors(const Info& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const Processors read = read_processors(read_string(info[0], "root"));
    const auto to_array = [env](const ProcessorList& list) {
      Napi::Array array = Napi::Array::New(env, list.size());
      for (std::size_t i = 0; i < list.size(); ++i) {
        array.Set(static_cast<std::uint32_t>(i), list[i]);
      }
      return array;
    };
    Napi::Object result = Napi::Object::New(env);
    result.Set("allowed", to_array(read.allowed));
    result.Set("fast", to_array(read.fast));
    result.Set("fastCores", read.fast_cores);
    result.Set("mixed", read.mixed);
    return result;
  });
}

// devices(): [{ id, kind, name, backend, memoryTotalBytes?, memoryFreeBytes?,
// ownMemory? }] of this machine.
Napi::Value devices(const Info& info) {
  return guarded(info.Env(), [&] { return device_rows(info.Env(), list_devices()); });
}

// serveRpc(endpoint, devices, threads): blocks; false where it could not listen.
Napi::Value serve_rpc_at(const Info& info) {
  return guarded(info.Env(), [&] {
    std::vector<std::string> devices;
    const Napi::Array names = info[1].As<Napi::Array>();
    for (std::uint32_t i = 0; i < names.Length(); ++i) {
      devices.push_back(read_string(names.Get(i), "devices"));
    }
    return Napi::Boolean::New(info.Env(),
                              serve_rpc(read_string(info[0], "endpoint"), devices,
                                        read_integer<int>(info[2], "threads", 1, 4096)));
  });
}

// loadBackend(name, folder): { path, outcome, reason }
Napi::Value load_backend_from(const Info& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const BackendLoad load =
        load_backend(read_string(info[0], "name"), read_string(info[1], "folder"));
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("path", load.path);
    result.Set("outcome", load.outcome == BackendLoad::Outcome::kLoaded    ? "loaded"
                          : load.outcome == BackendLoad::Outcome::kMissing ? "missing"
                                                                           : "refused");
    result.Set("reason", load.reason);
    return result;
  });
}

// hasBackend(name)
Napi::Value has_backend_named(const Info& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), has_backend(read_string(info[0], "name")));
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
    exports.Set("devices", Napi::Function::New<devices>(env, "devices"));
    exports.Set("hasBackend", Napi::Function::New<has_backend_named>(env, "hasBackend"));
    exports.Set("loadBackend", Napi::Function::New<load_backend_from>(env, "loadBackend"));
    exports.Set("serveRpc", Napi::Function::New<serve_rpc_at>(env, "serveRpc"));
    exports.Set("processors", Napi::Function::New<processors>(env, "processors"));
    exports.Set("knowsArchitecture",
                Napi::Function::New<knows_architecture_named>(env, "knowsArchitecture"));
    EmbeddingHandle::define(env, environment);
    EstimateHandle::define(env, exports);
    FileHandle::define(env, exports);
    LogSinkHandle::define(env, exports);
    ModelHandle::define(env, exports);
    RequantizedFileHandle::define(env, exports);
    TextScorerHandle::define(env, exports);
    RpcDevicesHandle::define(env, exports);
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
