#include "library_handle.hpp"

#include <utility>

#include "codes.hpp"
#include "device.hpp"
#include "mobillm/option_reader.hpp"
#include "options.hpp"

namespace mobillm::qnn {

namespace {

// Tells objects of this class from others that JavaScript may pass; a random number.
constexpr napi_type_tag kTag = {0x6d0b11a5a3c24f71, 0x9e51c07bd4a8f362};

struct Loaded {
  Libraries libraries;
  std::vector<DeviceInfo> devices;
};

Loaded load_libraries(const std::string& backend, const std::string& system) {
  Loaded loaded;
  auto library = std::make_shared<const Library>(backend);
  if (library->backend_id() != abi::kHtpBackend) {
    throw Error(code::kAddonIncompatible,
                "The library " + backend + " is the back end " + library->provider() +
                    " of QNN, and this engine uses HTP. Name libQnnHtp.so.",
                {{"path", backend}});
  }
  loaded.devices = list_devices(*library);
  loaded.libraries = {std::move(library), std::make_shared<const SystemLibrary>(system)};
  return loaded;
}

Napi::Object facts_object(Napi::Env env, const Loaded& loaded) {
  const Library& library = *loaded.libraries.backend;
  Napi::Object result = Napi::Object::New(env);
  result.Set("provider", library.provider());
  result.Set("buildId", library.build_id());
  result.Set("coreApi", version_text(library.core_api()));
  result.Set("backendApi", version_text(library.backend_api()));
  result.Set("systemApi", version_text(loaded.libraries.system->api()));
  result.Set("emulated", is_emulated(library));
  Napi::Array devices = Napi::Array::New(env, loaded.devices.size());
  for (std::size_t i = 0; i < loaded.devices.size(); ++i) {
    const DeviceInfo& device = loaded.devices[i];
    Napi::Object row = target_object(env, device.target);
    row.Set("id", device.id);
    row.Set("vtcmMb", static_cast<double>(device.vtcm_mb));
    devices.Set(static_cast<std::uint32_t>(i), row);
  }
  result.Set("devices", devices);
  return result;
}

Napi::Array tensors_array(Napi::Env env, const std::vector<TensorInfo>& tensors) {
  Napi::Array rows = Napi::Array::New(env, tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", tensors[i].name);
    row.Set("dtype", data_type_name(tensors[i].data_type));
    Napi::Array dimensions = Napi::Array::New(env, tensors[i].dimensions.size());
    for (std::size_t j = 0; j < tensors[i].dimensions.size(); ++j) {
      dimensions.Set(static_cast<std::uint32_t>(j), tensors[i].dimensions[j]);
    }
    row.Set("dimensions", dimensions);
    if (tensors[i].quantization) {
      Napi::Object quantization = Napi::Object::New(env);
      quantization.Set("scale", tensors[i].quantization->scale);
      quantization.Set("offset", tensors[i].quantization->offset);
      row.Set("quantization", quantization);
    }
    rows.Set(static_cast<std::uint32_t>(i), row);
  }
  return rows;
}

Napi::Object binary_object(Napi::Env env, const BinaryDescription& binary) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("backendId", binary.backend_id);
  result.Set("buildId", binary.build_id);
  result.Set("coreApi", version_text(binary.core_api));
  result.Set("backendApi", version_text(binary.backend_api));
  result.Set("blobVersion", version_text(binary.blob));
  result.Set("socModel", binary.soc_model);
  Napi::Array graphs = Napi::Array::New(env, binary.graphs.size());
  for (std::size_t i = 0; i < binary.graphs.size(); ++i) {
    Napi::Object graph = Napi::Object::New(env);
    graph.Set("name", binary.graphs[i].name);
    graph.Set("inputs", tensors_array(env, binary.graphs[i].inputs));
    graph.Set("outputs", tensors_array(env, binary.graphs[i].outputs));
    graphs.Set(static_cast<std::uint32_t>(i), graph);
  }
  result.Set("graphs", graphs);
  return result;
}

}  // namespace

void LibraryHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Library", DefineClass(env, "Library",
                                     {method<&LibraryHandle::load>("load"),
                                      method<&LibraryHandle::inspect>("inspect"),
                                      method<&LibraryHandle::close>("close")}));
}

LibraryHandle::LibraryHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    const OptionReader options(info[0], "");
    backend_path_ = options.string("backend");
    system_path_ = options.string("system");
    info.This().As<Napi::Object>().TypeTag(&kTag);
    environment_->add(this);
  });
}

LibraryHandle::~LibraryHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void LibraryHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
}

Libraries LibraryHandle::libraries_of(Napi::Value value, const char* key) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) {
    throw_wrong_type(key, "a Library of this addon", value);
  }
  const LibraryHandle* self = Unwrap(value.As<Napi::Object>());
  self->require_open("The library");
  if (self->libraries_.backend == nullptr) {
    throw Error(code::kClosed, "QNN's libraries are not loaded yet. Wait for load() first.");
  }
  return self->libraries_;
}

Napi::Value LibraryHandle::load(const Info& info) {
  require_open("The library");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [backend = backend_path_, system = system_path_] { return load_libraries(backend, system); },
      [this](Napi::Env env, Loaded loaded) {
        if (!closed()) libraries_ = loaded.libraries;
        return facts_object(env, loaded);
      });
}

Napi::Value LibraryHandle::inspect(const Info& info) {
  const Libraries libraries = libraries_of(info.This(), "this");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [libraries, file = read_recorded_file(info[0], "binary"), abort = abort_] {
        std::vector<std::byte> binary = read_recorded(file, *abort);
        return describe_binary(*libraries.system, binary);
      },
      [](Napi::Env env, const BinaryDescription& binary) { return binary_object(env, binary); });
}

Napi::Value LibraryHandle::close(const Info& info) {
  mark_closed();
  abort_->set();
  // Dropped on the library's own thread: taking a library out of memory can take a while.
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [libraries = std::make_shared<Libraries>(std::exchange(libraries_, {}))] {
        *libraries = {};
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

}  // namespace mobillm::qnn
