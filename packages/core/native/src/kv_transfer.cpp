#include "mobillm/kv_transfer.hpp"

#include <string>

#include "mobillm/generate_options.hpp"
#include "mobillm/option_reader.hpp"

namespace mobillm {

const char* dtype_word(KvDtype dtype) {
  switch (dtype) {
    case KvDtype::kF16:
      return "f16";
    case KvDtype::kBf16:
      return "bf16";
    case KvDtype::kF32:
      return "f32";
  }
  return "";
}

namespace {

const char* pairing_word(KvPairing pairing) {
  return pairing == KvPairing::kNeox ? "neox" : "interleaved";
}

KvDtype read_dtype(const OptionReader& options) {
  const std::string word = options.string("dtype");
  for (const KvDtype dtype : {KvDtype::kF16, KvDtype::kBf16, KvDtype::kF32}) {
    if (word == dtype_word(dtype)) return dtype;
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path("dtype"),
                        "must be one of f16, bf16, f32");
}

KvPairing read_pairing(const OptionReader& options) {
  const std::string word = options.string("pairing");
  for (const KvPairing pairing : {KvPairing::kNeox, KvPairing::kInterleaved}) {
    if (word == pairing_word(pairing)) return pairing;
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path("pairing"),
                        "must be one of neox, interleaved");
}

[[noreturn]] void throw_mismatch(const std::string& what, std::size_t actual,
                                 std::size_t expected) {
  throw Error(
      code::kKvMismatch,
      "The snapshot has another shape than the model: " + what + " should be " +
          std::to_string(expected) + " and is " + std::to_string(actual) +
          ". Make it from the same model.",
      {{"expected", static_cast<double>(expected)}, {"actual", static_cast<double>(actual)}});
}

const std::byte* read_tensor(const OptionReader& layer, const char* key, std::size_t bytes) {
  const Napi::Value value = layer.value(key);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw_wrong_type(layer.path(key), "a Uint8Array", value);
  }
  const auto array = value.As<Napi::Uint8Array>();
  if (array.ByteLength() != bytes) {
    throw_mismatch("the size of " + layer.path(key) + " in bytes", array.ByteLength(), bytes);
  }
  return reinterpret_cast<const std::byte*>(array.Data());
}

std::vector<float> read_next_logits(const OptionReader& options, std::int32_t vocabulary_size) {
  if (!options.has("nextLogits")) return {};
  const Napi::Value value = options.value("nextLogits");
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw_wrong_type(options.path("nextLogits"), "a Float32Array", value);
  }
  const auto array = value.As<Napi::Float32Array>();
  const auto expected = static_cast<std::size_t>(vocabulary_size);
  if (array.ElementLength() != expected) {
    throw_mismatch("the number of nextLogits", array.ElementLength(), expected);
  }
  return {array.Data(), array.Data() + expected};
}

}  // namespace

Napi::Object kv_shape_object(Napi::Env env, const KvShape& shape, const SequenceModel& model) {
  Napi::Object rope = Napi::Object::New(env);
  rope.Set("pairing", pairing_word(shape.rope.pairing));
  rope.Set("base", shape.rope.base);
  rope.Set("scale", shape.rope.scale);
  rope.Set("rotatedLength", shape.rope.rotated_length);
  Napi::Object result = Napi::Object::New(env);
  result.Set("dtype", dtype_word(shape.dtype));
  result.Set("layers", shape.layers);
  result.Set("kvHeads", shape.kv_heads);
  result.Set("keyLength", shape.key_length);
  result.Set("valueLength", shape.value_length);
  result.Set("rope", rope);
  result.Set("vocabularySize", model.vocabulary_size());
  result.Set("contextTokens", model.context_tokens());
  return result;
}

KvImport read_kv_import(Napi::Env env, Napi::Value value, const KvShape& shape,
                        std::int32_t vocabulary_size) {
  const OptionReader options(value, "snapshot");
  KvImport import;
  import.start = options.integer<std::int32_t>("startPosition", 0);
  import.tokens = read_tokens(options.value("tokens"), options.path("tokens"), vocabulary_size);
  import.view.dtype = read_dtype(options);
  import.view.pairing = read_pairing(options);
  import.view.tokens = import.tokens.size();
  import.next_logits = read_next_logits(options, vocabulary_size);

  const Napi::Value found = options.value("layers");
  if (!found.IsArray()) throw_wrong_type(options.path("layers"), "an array", found);
  const auto layers = found.As<Napi::Array>();
  const auto count = static_cast<std::uint32_t>(shape.layers);
  if (layers.Length() != count) throw_mismatch("the number of layers", layers.Length(), count);
  const std::size_t key_bytes =
      shape.tensor_bytes(shape.key_length, import.view.tokens, import.view.dtype);
  const std::size_t value_bytes =
      shape.tensor_bytes(shape.value_length, import.view.tokens, import.view.dtype);
  // A list of our own: what the caller's array holds may be changed while the job runs.
  Napi::Array memory = Napi::Array::New(env, 2 * static_cast<std::size_t>(count));
  import.view.layers.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const OptionReader layer(layers.Get(i), options.path("layers") + "[" + std::to_string(i) + "]");
    import.view.layers.push_back(
        {read_tensor(layer, "keys", key_bytes), read_tensor(layer, "values", value_bytes)});
    memory.Set(2 * i, layer.value("keys"));
    memory.Set(2 * i + 1, layer.value("values"));
  }
  import.memory = memory;
  return import;
}

}  // namespace mobillm
