// A Llama model's weights in a GGUF file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llama_graph.hpp"
#include "mobillm/gguf/weight_reader.hpp"

namespace mobillm::qnn {

// Where a tensor lies, as GGUF's header has it: the length of a row first.
struct GgufTensor {
  std::uint64_t offset = 0;
  std::uint32_t type = 0;
  std::vector<std::uint64_t> shape;
};

// Tensors of a layer, in the order of WeightRole from kAttentionNorm on.
using GgufLayer = std::array<GgufTensor, 9>;

struct GgufTensors {
  GgufTensor token_embedding;
  GgufTensor output_norm;
  std::optional<GgufTensor> output;
  std::vector<GgufLayer> layers;
  // Whether rows of Q and K lie in pairs (2i, 2i + 1), as GGUF's "llama" has them.
  bool interleaved = true;
};

class GgufWeights final : public WeightSource {
 public:
  // Throws FILE_NOT_FOUND; MODEL_INVALID when a tensor has another shape than the architecture
  // says.
  GgufWeights(const std::string& path, GgufTensors tensors, const LlamaShape& shape);

  bool has_output() const override { return tensors_.output.has_value(); }
  void read(WeightRole role, std::uint32_t layer, std::span<std::uint16_t> out,
            const AbortFlag& abort) override;

 private:
  const GgufTensor& find(WeightRole role, std::uint32_t layer) const;
  void check(WeightRole role, std::uint32_t layer) const;

  GgufTensors tensors_;
  LlamaShape shape_;
  gguf::WeightReader reader_;
};

}  // namespace mobillm::qnn
