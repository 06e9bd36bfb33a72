#include "mobillm/generate_options.hpp"

#include "mobillm/option_reader.hpp"

namespace mobillm {

namespace {

SamplingOptions read_sampling(const OptionReader& options, std::int32_t vocabulary_size) {
  SamplingOptions sampling;
  sampling.repeat_penalty = static_cast<float>(options.number("repeatPenalty"));
  sampling.frequency_penalty = static_cast<float>(options.number("frequencyPenalty"));
  sampling.presence_penalty = static_cast<float>(options.number("presencePenalty"));
  // Core's own limit; a sampler keeps a window of as many.
  sampling.penalty_last_tokens = options.integer<std::int32_t>("penaltyLastTokens", 0, 1 << 20);
  sampling.top_k = options.integer<std::int32_t>("topK", 0);
  sampling.top_p = static_cast<float>(options.number("topP"));
  sampling.min_p = static_cast<float>(options.number("minP"));
  sampling.temperature = static_cast<float>(options.number("temperature"));
  sampling.seed = options.integer<std::uint32_t>("seed");
  const Napi::Value biases = options.value("logitBias");
  if (!biases.IsArray()) throw_wrong_type("sampling.logitBias", "an array", biases);
  const auto rows = biases.As<Napi::Array>();
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "sampling.logitBias");
    sampling.logit_bias.push_back({row.integer<Token>("token", 0, vocabulary_size - 1),
                                   static_cast<float>(row.number("bias"))});
  }
  return sampling;
}

Speculation read_speculation(const OptionReader& options) {
  const std::string word = options.string("speculation");
  if (word == "off") return Speculation::kOff;
  if (word == "auto") return Speculation::kAuto;
  if (word == "always") return Speculation::kAlways;
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path("speculation"),
                        "must be \"off\", \"auto\" or \"always\", but it is \"" + word + "\"");
}

}  // namespace

GenerateSpec read_generate_spec(Napi::Value value, std::int32_t vocabulary_size) {
  const OptionReader options(value, "spec");
  GenerateSpec spec;
  // JavaScript counts exactly up to 2^53; "no limit" is a large number, not infinity.
  spec.max_tokens = options.integer<std::int64_t>("maxTokens", 0, std::int64_t{1} << 53);
  spec.keep_logits = options.boolean("keepLogits");
  spec.credit_tokens = options.integer<std::uint32_t>("creditTokens", 1, 1 << 20);
  spec.logprobs = options.integer<std::int32_t>("logprobs", -1, vocabulary_size);
  for (const Token token : options.int32s("endTokens")) spec.end_tokens.insert(token);
  spec.speculation = read_speculation(options);
  spec.grammar = options.string("grammar");
  spec.grammar_tokens = options.integer<std::uint32_t>("grammarTokens");
  spec.sampling =
      read_sampling(OptionReader(options.value("sampling"), "sampling"), vocabulary_size);
  return spec;
}

TokenBytes read_token_bytes(Napi::Value bytes, Napi::Value ends) {
  if (!bytes.IsTypedArray() || bytes.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw_wrong_type("bytes", "a Uint8Array", bytes);
  }
  if (!ends.IsTypedArray() || ends.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throw_wrong_type("ends", "a Uint32Array", ends);
  }
  const auto data = bytes.As<Napi::Uint8Array>();
  const auto places = ends.As<Napi::Uint32Array>();
  TokenBytes tokens;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < places.ElementLength(); ++i) {
    const std::size_t end = places[i];
    if (end < begin || end > data.ByteLength()) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, "ends[" + std::to_string(i) + "]",
                            "must not fall, nor lie behind the last byte");
    }
    tokens.add({data.Data() + begin, end - begin});
    begin = end;
  }
  return tokens;
}

std::vector<Token> read_tokens(Napi::Value value, const std::string& key,
                               std::int32_t vocabulary_size) {
  std::vector<Token> tokens = read_int32s(value, key);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocabulary_size) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, key + "[" + std::to_string(i) + "]",
                            "must be a token from 0 to " + std::to_string(vocabulary_size - 1) +
                                ", but it is " + std::to_string(tokens[i]));
    }
  }
  return tokens;
}

}  // namespace mobillm
