#include "option_structs.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "mobillm/option_reader.hpp"

namespace mobillm::llamacpp {

namespace {

// The value that a word stands for.
template <typename T>
T read_choice(const OptionReader& options, const char* key,
              std::initializer_list<std::pair<const char*, T>> choices) {
  const std::string word = options.string(key);
  std::string known;
  for (const auto& [name, value] : choices) {
    if (word == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path(key),
                        "must be one of " + known);
}

ggml_type read_cache_type(const OptionReader& options, const char* key) {
  return read_choice<ggml_type>(options, key,
                                {{"f32", GGML_TYPE_F32},
                                 {"f16", GGML_TYPE_F16},
                                 {"bf16", GGML_TYPE_BF16},
                                 {"q8_0", GGML_TYPE_Q8_0},
                                 {"q5_1", GGML_TYPE_Q5_1},
                                 {"q5_0", GGML_TYPE_Q5_0},
                                 {"q4_1", GGML_TYPE_Q4_1},
                                 {"q4_0", GGML_TYPE_Q4_0},
                                 {"iq4_nl", GGML_TYPE_IQ4_NL}});
}

}  // namespace

CheckedFile read_checked_file(Napi::Value value) {
  const OptionReader options(value, "");
  CheckedFile file;
  file.path = options.string("path");
  file.stamp.bytes = options.integer<std::uint64_t>("fileBytes", 0, std::uint64_t{1} << 53);
  file.stamp.modified_at = options.number("modifiedAt");
  file.split = options.boolean("split");
  return file;
}

ModelFile read_model_file(Napi::Value value) {
  const OptionReader options(value, "");
  ModelFile model;
  model.file = read_checked_file(value);
  model.architecture = options.string("architecture");
  model.vocabulary_size = options.integer<std::uint32_t>("vocabularySize", 0, 0x7fffffff);
  model.attention_heads = options.integer<std::uint32_t>("attentionHeads", 0, 1 << 20);
  return model;
}

ContextOptions read_context_options(Napi::Value value) {
  const OptionReader options(value, "");
  ContextOptions context;
  context.context_tokens = options.integer<std::uint32_t>("contextTokens", 1, 0x7fffff00);
  context.pool_tokens = options.integer<std::uint32_t>("poolTokens", 0, 0x7fffff00);
  // One number of the library's is for handing caches over.
  context.sequences = options.integer<std::uint32_t>(
      "sequences", 1, static_cast<std::uint32_t>(llama_max_parallel_sequences()) - 1);
  context.batch_tokens = options.integer<std::uint32_t>("batchTokens", 1, 1 << 16);
  context.flash_attention =
      read_choice<llama_flash_attn_type>(options, "flashAttention",
                                         {{"auto", LLAMA_FLASH_ATTN_TYPE_AUTO},
                                          {"on", LLAMA_FLASH_ATTN_TYPE_ENABLED},
                                          {"off", LLAMA_FLASH_ATTN_TYPE_DISABLED}});
  context.key_type = read_cache_type(options, "keyType");
  context.value_type = read_cache_type(options, "valueType");
  context.generates = options.boolean("generates");
  context.guesses = options.boolean("guesses");
  context.embed_tokens = options.integer<std::uint32_t>("embedTokens", 0, 0x7fffff00);
  return context;
}

Offload read_offload(Napi::Value value) {
  const OptionReader options(value, "");
  Offload offload;
  const Napi::Value devices = options.value("devices");
  if (!devices.IsArray()) throw_wrong_type("devices", "an array", devices);
  const auto rows = devices.As<Napi::Array>();
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "devices[" + std::to_string(i) + "]");
    offload.devices.push_back(row.string("id"));
    offload.shares.push_back(row.number("share"));
    offload.budgets.emplace_back();
    if (row.has("mostBytes")) {
      offload.budgets.back() = row.integer<std::uint64_t>("mostBytes", 0, std::uint64_t{1} << 53);
    }
  }
  // −1: as many as fit, −2: all.
  const auto layers = options.integer<std::int32_t>("gpuLayers", -2, 1 << 20);
  offload.layers = layers == -1   ? Offload::Layers::kFit
                   : layers == -2 ? Offload::Layers::kAll
                                  : Offload::Layers::kCount;
  offload.count = static_cast<std::uint32_t>(std::max(layers, 0));
  offload.model_layers = options.integer<std::uint32_t>("modelLayers", 0, 1 << 20);
  offload.repack = options.boolean("repack");
  return offload;
}

TuningOptions read_tuning_options(Napi::Value value) {
  const OptionReader options(value, "");
  enum class Calibrates { kAuto, kOn, kOff };
  const auto calibrates = read_choice<Calibrates>(
      options, "calibrate",
      {{"auto", Calibrates::kAuto}, {"on", Calibrates::kOn}, {"off", Calibrates::kOff}});
  TuningOptions tuning;
  tuning.threads = options.integer<int>("threads", 0, 4096);
  tuning.affinity = read_choice<Affinity>(
      options, "affinity",
      {{"auto", Affinity::kAuto}, {"off", Affinity::kOff}, {"big", Affinity::kBig}});
  tuning.calibrates =
      calibrates == Calibrates::kOn || (calibrates == Calibrates::kAuto && calibrates_by_default());
  tuning.folder = options.string("calibrationFolder");
  return tuning;
}

std::optional<ModelFile> read_draft(Napi::Value value) {
  const OptionReader options(value, "");
  if (!options.has("draft")) return std::nullopt;
  return read_model_file(options.value("draft"));
}

OpenOptions read_open_options(Napi::Value value) {
  const OptionReader options(value, "");
  OpenOptions open;
  open.source = read_model_file(value);
  open.context = read_context_options(value);
  open.offload = read_offload(value);
  open.draft = read_draft(value);
  open.tuning = read_tuning_options(value);
  open.weights = read_choice<WeightPlace>(options, "weights",
                                          {{"mapped", WeightPlace::kMapped},
                                           {"copied", WeightPlace::kCopied},
                                           {"locked", WeightPlace::kLocked}});
  return open;
}

}  // namespace mobillm::llamacpp
