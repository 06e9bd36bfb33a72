#include "model_header.hpp"

#include <algorithm>
#include <charconv>
#include <locale>
#include <sstream>
#include <system_error>
#include <unordered_set>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

std::string metadata_text(const llama_model* model, const char* key) {
  std::string text(64, '\0');
  for (;;) {
    const std::int32_t length = llama_model_meta_val_str(model, key, text.data(), text.size());
    if (length < 0) return {};
    const auto needed = static_cast<std::size_t>(length);
    if (needed < text.size()) {
      text.resize(needed);
      return text;
    }
    text.resize(needed + 1);
  }
}

std::int64_t metadata_integer(const llama_model* model, const std::string& key,
                              std::int64_t fallback) {
  const std::string text = metadata_text(model, key.c_str());
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() ? value : fallback;
}

double metadata_number(const llama_model* model, const std::string& key, double fallback) {
  std::istringstream text(metadata_text(model, key.c_str()));
  // The library writes numbers with a point, whatever the process's own locale.
  text.imbue(std::locale::classic());
  double value = 0;
  return text >> value && text.peek() == std::istringstream::traits_type::eof() ? value : fallback;
}

bool is_encoder(const std::string& architecture) {
  static const std::unordered_set<std::string> encoders = {
      "bert",     "eurobert",    "gemma-embedding", "jina-bert-v2",  "jina-bert-v3",
      "neo-bert", "modern-bert", "nomic-bert",      "nomic-bert-moe"};
  return encoders.contains(architecture);
}

void limit_pool(const llama_model* model, ContextOptions& options) {
  const std::string scaling = metadata_text(model, "general.architecture") + ".rope.scaling.";
  const std::string type = metadata_text(model, (scaling + "type").c_str());
  const std::int64_t stretched = metadata_integer(model, scaling + "original_context_length", 0);
  if (type == "yarn" || (type != "longrope" && stretched <= 0)) return;
  const std::int64_t original = stretched > 0 ? stretched : llama_model_n_ctx_train(model);
  if (options.context_tokens > original) return;
  // The library rounds up to a multiple of this.
  constexpr std::int64_t kStep = 256;
  options.pool_tokens = static_cast<std::uint32_t>(
      std::min<std::int64_t>(options.pool_tokens, original / kStep * kStep));
}

void require_fitting_cache(const llama_model* model, const ContextOptions& options) {
  const std::string attention = metadata_text(model, "general.architecture") + ".attention.";
  const std::int64_t head_length =
      llama_model_n_embd(model) / std::max(1, llama_model_n_head(model));
  const auto require = [&](const char* option, ggml_type type, const std::string& key) {
    const std::int64_t length = metadata_integer(model, attention + key, head_length);
    const std::int64_t block = ggml_blck_size(type);
    if (length % block == 0) return;
    throw Error(code::kUnsupported,
                std::string("The model's heads have ") + std::to_string(length) + " numbers, and " +
                    ggml_type_name(type) + " needs a multiple of " + std::to_string(block) +
                    ". Take f16 for " + option + ".",
                {{"headLength", static_cast<double>(length)}});
  };
  require("keyType", options.key_type, "key_length");
  require("valueType", options.value_type, "value_length");
  // Layers that see a window may have heads of their own.
  if (metadata_text(model, (attention + "key_length_swa").c_str()).empty()) return;
  require("keyType", options.key_type, "key_length_swa");
  require("valueType", options.value_type, "value_length_swa");
}

std::uint64_t kv_cache_formula(const llama_model* model, const ContextOptions& options) {
  const std::string architecture = metadata_text(model, "general.architecture");
  const std::int64_t heads = std::max(1, llama_model_n_head(model));
  const std::int64_t head_length = llama_model_n_embd(model) / heads;
  const std::string attention = architecture + ".attention.";
  const auto key_length = metadata_integer(model, attention + "key_length", head_length);
  const auto value_length = metadata_integer(model, attention + "value_length", head_length);
  const auto row = [&](ggml_type type, std::int64_t length) {
    const std::int64_t elements = length * std::max(1, llama_model_n_head_kv(model));
    return static_cast<std::uint64_t>(elements) * ggml_type_size(type) /
           static_cast<std::uint64_t>(ggml_blck_size(type));
  };
  return static_cast<std::uint64_t>(llama_model_n_layer(model)) * options.cells() *
         (row(options.key_type, key_length) + row(options.value_type, value_length));
}

std::uint64_t compute_formula(const llama_model* model, const ContextOptions& options) {
  const std::string architecture = metadata_text(model, "general.architecture");
  const auto embedding = static_cast<std::uint64_t>(llama_model_n_embd(model));
  const auto feed_forward = static_cast<std::uint64_t>(metadata_integer(
      model, architecture + ".feed_forward_length", static_cast<std::int64_t>(4 * embedding)));
  const auto heads = static_cast<std::uint64_t>(llama_model_n_head(model));
  const auto vocabulary =
      static_cast<std::uint64_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  const std::uint64_t rows = options.generates ? output_rows(model, options) : 1;
  return static_cast<std::uint64_t>(options.batch_tokens) *
             (4 * embedding + 2 * feed_forward + heads * options.cells()) * 4 +
         rows * vocabulary * 4;
}

}  // namespace mobillm::llamacpp
