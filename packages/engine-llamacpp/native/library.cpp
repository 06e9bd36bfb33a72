#include "library.hpp"

#include <llama.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <system_error>

#include "library_log.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

std::string to_lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return text;
}

}  // namespace

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
  for (std::size_t i = 0; i < ggml_backend_reg_count(); ++i) {
    const std::string name = ggml_backend_reg_name(ggml_backend_reg_get(i));
    if (name != "CPU" && name != "RPC") features += "; " + name;
  }
  return "llama.cpp " + library_version() + " (CPU" + features + ")";
}

bool has_backend(const std::string& name) {
  // By the library's own names: CUDA, HTP, MTL, OpenCL, RPC, Vulkan.
  const std::string known = name == "hexagon" ? "htp" : name == "metal" ? "mtl" : name;
  for (std::size_t i = 0; i < ggml_backend_reg_count(); ++i) {
    if (to_lower(ggml_backend_reg_name(ggml_backend_reg_get(i))) == known) return true;
  }
  return false;
}

BackendLoad load_backend(const std::string& name, const std::string& folder) {
#ifdef _WIN32
  const std::string file = "ggml-" + name + ".dll";
#else
  const std::string file = "libggml-" + name + ".so";
#endif
  BackendLoad load{.path = folder + "/" + file, .reason = {}};
  std::error_code trouble;
  if (!std::filesystem::exists(
          std::filesystem::path(reinterpret_cast<const char8_t*>(load.path.c_str())), trouble)) {
    return load;
  }
  const LogCapture log;
  load.outcome = BackendLoad::Outcome::kLoaded;
  if (ggml_backend_load(load.path.c_str()) != nullptr) return load;
  load.outcome = BackendLoad::Outcome::kRefused;
  load.reason = log.last_error().empty() ? "llama.cpp refused it" : log.last_error();
  return load;
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
