#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "mobillm/option_reader.hpp"

namespace mobillm::qnn {

namespace {

// JavaScript's safe integers.
constexpr std::uint64_t kMostBytes = (std::uint64_t{1} << 53) - 1;
constexpr std::uint32_t kMostCount = 0x7fffffff;

[[noreturn]] void throw_range(const std::string& key, const std::string& sentence) {
  throw InvalidArgument(InvalidArgument::Kind::kRange, key, sentence);
}

std::uint32_t read_count(const OptionReader& reader, const char* key) {
  return reader.integer<std::uint32_t>(key, 0, kMostCount);
}

// `2.40.0`
abi::Version read_version(const OptionReader& reader, const char* key) {
  const std::string text = reader.string(key);
  abi::Version version{};
  std::uint32_t* const parts[] = {&version.major, &version.minor, &version.patch};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) throw_range(reader.path(key), "is no version");
    const auto [next, trouble] = std::from_chars(at, end, *parts[i]);
    if (trouble != std::errc()) throw_range(reader.path(key), "is no version");
    at = next;
  }
  if (at != end) throw_range(reader.path(key), "is no version");
  return version;
}

Target read_target(const OptionReader& reader) {
  return {read_count(reader, "socModel"), read_count(reader, "htpArch")};
}

LlamaShape read_shape(Napi::Value value) {
  const OptionReader reader(value, "shape");
  LlamaShape shape;
  shape.layers = read_count(reader, "layers");
  shape.embedding_length = read_count(reader, "embeddingLength");
  shape.feed_forward_length = read_count(reader, "feedForwardLength");
  shape.heads = read_count(reader, "heads");
  shape.kv_heads = read_count(reader, "kvHeads");
  shape.head_length = read_count(reader, "headLength");
  shape.vocabulary_size = read_count(reader, "vocabularySize");
  return shape;
}

Napi::Array read_array(Napi::Value value, const std::string& key, std::uint32_t most) {
  if (!value.IsArray()) throw_wrong_type(key, "an array", value);
  const auto array = value.As<Napi::Array>();
  if (array.Length() > most) throw_range(key, "must hold at most " + std::to_string(most));
  return array;
}

std::vector<GraphPlan> read_graphs(Napi::Value value) {
  const Napi::Array array = read_array(value, "graphs", 64);
  std::vector<GraphPlan> graphs;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const OptionReader reader(array.Get(i), "graphs[" + std::to_string(i) + ']');
    graphs.push_back({reader.string("name"), read_count(reader, "tokens")});
  }
  return graphs;
}

GgufTensor read_tensor_place(Napi::Value value, const std::string& key) {
  const OptionReader reader(value, key);
  GgufTensor tensor;
  tensor.offset = reader.integer<std::uint64_t>("offset", 0, kMostBytes);
  tensor.type = read_count(reader, "type");
  const std::string shape_key = reader.path("shape");
  const Napi::Array shape = read_array(reader.value("shape"), shape_key, 4);
  for (std::uint32_t i = 0; i < shape.Length(); ++i) {
    tensor.shape.push_back(read_integer<std::uint64_t>(shape.Get(i), shape_key, 1, kMostBytes));
  }
  return tensor;
}

}  // namespace

RecordedFile read_recorded_file(Napi::Value value, const std::string& key) {
  const OptionReader reader(value, key);
  RecordedFile file;
  file.path = reader.string("path");
  file.bytes = reader.integer<std::uint64_t>("bytes", 1, kMostBytes);
  file.sha256 = reader.string("sha256");
  const bool hexadecimal = std::ranges::all_of(file.sha256, [](char digit) {
    return std::string_view("0123456789abcdef").find(digit) != std::string_view::npos;
  });
  if (file.sha256.size() != 64 || !hexadecimal) {
    throw_range(reader.path("sha256"), "must be 64 hexadecimal digits in lower case");
  }
  return file;
}

GgufTensors read_gguf_tensors(Napi::Value value) {
  const OptionReader options(value, "");
  const OptionReader weights(options.value("weights"), "weights");
  GgufTensors tensors;
  const auto read = [](const OptionReader& reader, const char* key) {
    return read_tensor_place(reader.value(key), reader.path(key));
  };
  tensors.token_embedding = read(weights, "tokenEmbedding");
  tensors.output_norm = read(weights, "outputNorm");
  if (weights.has("output")) tensors.output = read(weights, "output");
  const Napi::Array layers = read_array(weights.value("layers"), "weights.layers", 4096);
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    const OptionReader layer(layers.Get(i), "weights.layers[" + std::to_string(i) + ']');
    tensors.layers.push_back({read(layer, "attentionNorm"), read(layer, "query"),
                              read(layer, "key"), read(layer, "value"),
                              read(layer, "attentionOutput"), read(layer, "feedForwardNorm"),
                              read(layer, "gate"), read(layer, "up"), read(layer, "down")});
  }
  const std::string pairing = options.string("weightPairing");
  if (pairing != "interleaved" && pairing != "neox") {
    throw_range("weightPairing", "must be interleaved or neox");
  }
  tensors.interleaved = pairing == "interleaved";
  return tensors;
}

CompileOptions read_compile_options(Napi::Value value) {
  const OptionReader reader(value, "");
  CompileOptions options;
  options.shape = read_shape(reader.value("shape"));
  options.rms_epsilon = static_cast<float>(reader.number("rmsEpsilon"));
  options.context_tokens = read_count(reader, "contextTokens");
  options.graphs = read_graphs(reader.value("graphs"));
  if (reader.has("socModel")) options.soc_model = read_count(reader, "socModel");
  options.share_weights = reader.boolean("shareWeights");
  options.output = reader.string("output");
  check_compile_options(options);
  return options;
}

OpenOptions read_open_options(Napi::Value value) {
  const OptionReader reader(value, "");
  OpenOptions options;
  options.binary = read_recorded_file(reader.value("binary"), "binary");
  const OptionReader made_with(reader.value("madeWith"), "madeWith");
  options.made_with = {made_with.string("buildId"), read_version(made_with, "coreApi"),
                       read_version(made_with, "backendApi"), read_target(made_with)};
  options.shape = read_shape(reader.value("shape"));
  options.rope_base = reader.number("ropeBase");
  options.rope_scale = reader.number("ropeScale");
  options.compiled_context_tokens = read_count(reader, "compiledContextTokens");
  options.graphs = read_graphs(reader.value("graphs"));
  options.context_tokens = read_count(reader, "contextTokens");
  options.sequences = read_count(reader, "sequences");
  return options;
}

Napi::Object target_object(Napi::Env env, const Target& target) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("socModel", target.soc_model);
  result.Set("htpArch", target.htp_arch);
  return result;
}

Napi::Object made_with_object(Napi::Env env, const MadeWith& made_with) {
  Napi::Object result = target_object(env, made_with.target);
  result.Set("buildId", made_with.build_id);
  result.Set("coreApi", version_text(made_with.core_api));
  result.Set("backendApi", version_text(made_with.backend_api));
  return result;
}

}  // namespace mobillm::qnn
