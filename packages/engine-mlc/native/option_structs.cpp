#include "option_structs.hpp"

#include <string>
#include <utility>

#include "mobillm/option_reader.hpp"
#include "processors.hpp"

namespace mobillm::mlc {

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 48;

Napi::Array read_array(const OptionReader& options, const char* key) {
  const Napi::Value value = options.value(key);
  if (!value.IsArray()) throw_wrong_type(options.path(key), "an array", value);
  return value.As<Napi::Array>();
}

abi::DataType read_type(const OptionReader& options, const char* key) {
  const std::string word = options.string(key);
  constexpr std::pair<const char*, abi::DataType> kTypes[] = {
      {"float32", {abi::kFloatingPoint, 32, 1}}, {"float16", {abi::kFloatingPoint, 16, 1}},
      {"bfloat16", {abi::kBrainFloat, 16, 1}},   {"uint32", {abi::kUnsignedInteger, 32, 1}},
      {"int32", {abi::kSignedInteger, 32, 1}},   {"uint16", {abi::kUnsignedInteger, 16, 1}},
      {"int16", {abi::kSignedInteger, 16, 1}},   {"uint8", {abi::kUnsignedInteger, 8, 1}},
      {"int8", {abi::kSignedInteger, 8, 1}}};
  for (const auto& [name, type] : kTypes) {
    if (word == name) return type;
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path(key),
                        "must be a number format, but it is " + word);
}

CachedTensor read_tensor(Napi::Value value) {
  const OptionReader options(value, "tensor");
  CachedTensor tensor;
  tensor.parameter = options.integer<std::uint32_t>("parameter");
  tensor.offset = options.integer<std::uint64_t>("offset", 0, kMostBytes);
  tensor.bytes = options.integer<std::uint64_t>("bytes", 0, kMostBytes);
  const Napi::Array shape = read_array(options, "shape");
  for (std::uint32_t i = 0; i < shape.Length(); ++i) {
    tensor.shape.push_back(
        read_integer<std::int64_t>(shape.Get(i), "tensor.shape", 0, std::int64_t{1} << 40));
  }
  tensor.type = read_type(options, "dtype");
  tensor.from_bf16 = options.boolean("fromBf16");
  return tensor;
}

Shard read_shard(Napi::Value value) {
  const OptionReader options(value, "shard");
  Shard shard;
  shard.path = options.string("path");
  shard.bytes = options.integer<std::uint64_t>("bytes", 0, kMostBytes);
  shard.md5 = options.string("md5");
  const Napi::Array tensors = read_array(options, "tensors");
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    shard.tensors.push_back(read_tensor(tensors.Get(i)));
  }
  return shard;
}

}  // namespace

LibraryPaths read_library_paths(Napi::Value value) {
  const OptionReader options(value, "");
  return {.ffi = options.string("ffi"), .runtime = options.string("runtime")};
}

OpenOptions read_open_options(Napi::Value value) {
  const OptionReader options(value, "");
  OpenOptions open;
  open.library.path = options.string("library");
  open.library.sha256 = options.string("librarySha256");
  open.threads = options.integer<int>("threads", 1, static_cast<int>(allowed_processors().size()));
  open.context_tokens = options.integer<std::int32_t>("contextTokens", 1, 0x3fffffff);
  open.sequences = options.integer<std::int32_t>("sequences", 1, 1 << 16);
  open.step_tokens = options.integer<std::uint32_t>("batchTokens", 1, 1 << 16);
  return open;
}

WeightsOptions read_weights_options(Napi::Value value) {
  const OptionReader options(value, "");
  WeightsOptions weights;
  weights.cache.parameter_count = options.integer<std::uint32_t>("parameterCount", 1, 1 << 20);
  const Napi::Array shards = read_array(options, "shards");
  for (std::uint32_t i = 0; i < shards.Length(); ++i) {
    weights.cache.shards.push_back(read_shard(shards.Get(i)));
  }
  weights.vocabulary_size = options.integer<std::int32_t>("vocabularySize", 1, 1 << 26);
  weights.chunk_tokens = options.integer<std::uint32_t>("chunkTokens", 1, 1 << 20);
  if (options.has("rope")) {
    const OptionReader rope(options.value("rope"), "rope");
    const std::string pairing = rope.string("pairing");
    if (pairing != "neox" && pairing != "interleaved") {
      throw InvalidArgument(InvalidArgument::Kind::kRange, "rope.pairing",
                            "must be neox or interleaved");
    }
    weights.rope = {.pairing = pairing == "neox" ? KvPairing::kNeox : KvPairing::kInterleaved,
                    .rotated_length = rope.integer<std::int32_t>("rotatedLength", 0, 1 << 16)};
  }
  return weights;
}

}  // namespace mobillm::mlc
