#include "option_structs.hpp"

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
                                 {"q8_0", GGML_TYPE_Q8_0}});
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

ContextOptions read_context_options(Napi::Value value) {
  const OptionReader options(value, "");
  ContextOptions context;
  context.context_tokens = options.integer<std::uint32_t>("contextTokens", 1, 0x7fffff00);
  context.sequences = options.integer<std::uint32_t>(
      "sequences", 1, static_cast<std::uint32_t>(llama_max_parallel_sequences()));
  context.batch_tokens = options.integer<std::uint32_t>("batchTokens", 1, 1 << 16);
  context.flash_attention =
      read_choice<llama_flash_attn_type>(options, "flashAttention",
                                         {{"auto", LLAMA_FLASH_ATTN_TYPE_AUTO},
                                          {"on", LLAMA_FLASH_ATTN_TYPE_ENABLED},
                                          {"off", LLAMA_FLASH_ATTN_TYPE_DISABLED}});
  context.key_type = read_cache_type(options, "keyType");
  context.value_type = read_cache_type(options, "valueType");
  return context;
}

OpenOptions read_open_options(Napi::Value value) {
  const OptionReader options(value, "");
  OpenOptions open;
  open.file = read_checked_file(value);
  open.context = read_context_options(value);
  open.threads = options.integer<int>("threads", 0, 4096);
  open.map_weights = options.boolean("mapWeights");
  return open;
}

GenerateSpec read_generate_spec(Napi::Value value, int vocabulary_size) {
  const OptionReader options(value, "spec");
  GenerateSpec spec;
  // JavaScript counts exactly up to 2^53; "no limit" is a large number, not infinity.
  spec.max_tokens = options.integer<std::int64_t>("maxTokens", 0, std::int64_t{1} << 53);
  spec.credit_tokens = options.integer<std::uint32_t>("creditTokens", 1, 1 << 20);
  spec.logprobs = options.integer<std::int32_t>("logprobs", -1, vocabulary_size);
  for (const auto token : options.int32s("endTokens")) spec.end_tokens.insert(token);

  const OptionReader sampling(options.value("sampling"), "sampling");
  SamplingOptions& out = spec.sampling;
  out.repeat_penalty = static_cast<float>(sampling.number("repeatPenalty"));
  out.frequency_penalty = static_cast<float>(sampling.number("frequencyPenalty"));
  out.presence_penalty = static_cast<float>(sampling.number("presencePenalty"));
  out.penalty_last_tokens = sampling.integer<std::int32_t>("penaltyLastTokens", 0);
  out.top_k = sampling.integer<std::int32_t>("topK", 0);
  out.top_p = static_cast<float>(sampling.number("topP"));
  out.min_p = static_cast<float>(sampling.number("minP"));
  out.temperature = static_cast<float>(sampling.number("temperature"));
  out.seed = sampling.integer<std::uint32_t>("seed");
  const Napi::Value biases = sampling.value("logitBias");
  if (!biases.IsArray()) throw_wrong_type("sampling.logitBias", "an array", biases);
  const auto rows = biases.As<Napi::Array>();
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "sampling.logitBias");
    out.logit_bias.push_back({row.integer<llama_token>("token", 0, vocabulary_size - 1),
                              static_cast<float>(row.number("bias"))});
  }
  return spec;
}

std::vector<llama_token> read_tokens(Napi::Value value, const std::string& key,
                                     int vocabulary_size) {
  std::vector<llama_token> tokens = read_int32s(value, key);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocabulary_size) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, key + "[" + std::to_string(i) + "]",
                            "must be a token from 0 to " + std::to_string(vocabulary_size - 1) +
                                ", but it is " + std::to_string(tokens[i]));
    }
  }
  return tokens;
}

}  // namespace mobillm::llamacpp
