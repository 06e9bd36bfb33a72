// A model's weights as MLC stores them: shards of raw tensors. They are read here and not by the
// runtime's own loader, which believes every offset, keeps the tensors of all models in one table
// of the process, and can neither be stopped nor asked how far it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "tvm_value.hpp"

namespace mobillm::mlc {

// One tensor in a shard.
struct CachedTensor {
  std::size_t parameter = 0;  // its place among the model's parameters
  std::uint64_t offset = 0;   // in the shard, in bytes
  std::uint64_t bytes = 0;    // in the shard
  std::vector<std::int64_t> shape;
  abi::DataType type{};
  bool from_bf16 = false;  // stored as bf16, to be widened to f32
};

// One file.
struct Shard {
  std::string path;
  std::uint64_t bytes = 0;
  std::string md5;                    // lower-case hexadecimal; empty where none is known
  std::vector<CachedTensor> tensors;  // by offset, without overlap
};

struct TensorCache {
  std::vector<Shard> shards;
  std::size_t parameter_count = 0;
};

// Checks what the sizes, offsets and places say against each other. Throws MODEL_INVALID.
void check_tensor_cache(const TensorCache& cache);

// Loads all tensors, each shard read once and its checksum compared before anything of it is used
// by a model. Returns the array of parameters. `on_progress` is told the share, from 0 to 1. Throws
// FILE_NOT_FOUND, INTEGRITY_FAILED, IO_FAILED, and ABORTED once `abort` is set.
Value load_parameters(const TensorCache& cache, abi::Device device, const AbortFlag& abort,
                      const std::function<void(float)>& on_progress);

}  // namespace mobillm::mlc
