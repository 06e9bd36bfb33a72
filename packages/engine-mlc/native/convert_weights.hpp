// Weights of a GGUF file as the compiled library wants them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "mobillm/gguf/weight_reader.hpp"
#include "shard_writer.hpp"

namespace mobillm::mlc {

enum class WeightFormat {
  kF32,
  // Words of eight nibbles and a scale in f32 for each 32, as quantize_groups.hpp has them.
  kQ4F32,
};

enum class WeightLayout {
  // [tiles, inputs, 32]: 32 rows side by side, the last tile filled up with zeros. What the kernels
  // of our compiler read.
  kTiles,
  // [rows, inputs]: what TVM's own schedules read.
  kRows,
};

// A tensor of the file and the order that its rows are wanted in.
struct WeightPart {
  gguf::WeightTensor tensor;
  gguf::RowOrder order;
};

// What becomes one parameter, or two where it is quantized: `name.weight`, or `name.q_weight` and
// `name.q_scale`.
struct Weight {
  std::string name;
  // A vector stays in f32, without layout.
  bool is_vector = false;
  // All of the same row length; their rows follow one another.
  std::vector<WeightPart> parts;
};

struct ConversionPlan {
  // GGUF file, in UTF-8.
  std::string source;
  // Folder that the shards are written to; it exists.
  std::string folder;
  WeightFormat format = WeightFormat::kF32;
  WeightLayout layout = WeightLayout::kTiles;
  std::vector<Weight> weights;
};

// Rows done, of all; read by any thread while `convert_weights` runs.
struct ConversionProgress {
  std::atomic<std::uint64_t> weights_done{0};
  std::atomic<std::uint64_t> weights_all{0};
};

// Converts in order; holds a slice of the file and the scales of one matrix in memory. Throws what
// WeightReader and ShardWriter throw, ABORTED among it, and MODEL_INVALID for weights that cannot
// be: of other lengths than their neighbours, or no numbers where they are to be quantized. Leaves
// behind what it has written.
std::vector<ShardRecord> convert_weights(const ConversionPlan& plan, const AbortFlag& abort,
                                         ConversionProgress& progress);

}  // namespace mobillm::mlc
