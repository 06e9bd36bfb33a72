#include "library.hpp"

#include <llama.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <string_view>

#include "library_log.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

void initialize_library(const std::string& backend_folder) {
  static std::once_flag once;
  std::call_once(once, [&] {
    install_library_log();
    llama_backend_init();
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
      // A release build: the CPU back end is the best of several files beside the addon.
      ggml_backend_load_all_from_path(backend_folder.empty() ? nullptr : backend_folder.c_str());
    }
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
      throw Error(code::kNativeFailure,
                  "llama.cpp found no CPU back end beside the addon. Reinstall the package, or "
                  "build it for this machine with \"npm rebuild @mobillm/engine-llamacpp\".",
                  {{"backendFolder", backend_folder}});
    }
  });
}

std::string library_version() { return llama_version(); }

std::string library_build() { return MOBILLM_LLAMA_CPP_COMMIT; }

std::string library_description() {
  std::string features;
  ggml_backend_reg_t cpu =
      ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
  const auto get_features = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(cpu, "ggml_backend_get_features"));
  if (get_features != nullptr) {
    for (const ggml_backend_feature* feature = get_features(cpu); feature->name != nullptr;
         ++feature) {
      // Numbers other than 0 and 1 (vector widths) are left out: they are no instruction set.
      if (std::string_view(feature->value) != "1") continue;
      features += features.empty() ? ": " : ", ";
      features += feature->name;
    }
  }
  return "llama.cpp " + library_version() + " (CPU" + features + ")";
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    DeviceInfo info;
    info.id = ggml_backend_dev_name(device);
    std::transform(info.id.begin(), info.id.end(), info.id.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    info.name = ggml_backend_dev_description(device);
    switch (ggml_backend_dev_type(device)) {
      case GGML_BACKEND_DEVICE_TYPE_CPU:
        info.kind = "cpu";
        break;
      case GGML_BACKEND_DEVICE_TYPE_ACCEL:
        info.kind = "accelerator";
        break;
      default:
        info.kind = "gpu";
    }
    devices.push_back(std::move(info));
  }
  return devices;
}

bool knows_architecture(const std::string& name) {
  // The C API has no such question. But a model made of nothing but an architecture's name and an
  // empty vocabulary can be opened, as far as its vocabulary, exactly if the name is known.
  const CPtr<gguf_context, gguf_free> header(gguf_init_empty());
  gguf_set_val_str(header.get(), "general.architecture", name.c_str());
  gguf_set_val_str(header.get(), "tokenizer.ggml.model", "none");
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  const CPtr<llama_model, llama_model_free> model(llama_model_init_from_user(
      header.get(), [](ggml_tensor*, void*) {}, nullptr, params));
  return model != nullptr;
}

}  // namespace mobillm::llamacpp
