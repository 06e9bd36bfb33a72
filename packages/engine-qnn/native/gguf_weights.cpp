#include "gguf_weights.hpp"

#include <algorithm>

#include "codes.hpp"
#include "mobillm/float16.hpp"

namespace mobillm::qnn {

namespace {

constexpr auto kFirstOfLayer = static_cast<std::size_t>(WeightRole::kAttentionNorm);

}  // namespace

GgufWeights::GgufWeights(const std::string& path, GgufTensors tensors, const LlamaShape& shape)
    : tensors_(std::move(tensors)), shape_(shape), reader_(path) {
  if (tensors_.layers.size() != shape_.layers) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "weights.layers",
                          "must be as many as the shape has");
  }
  check(WeightRole::kTokenEmbedding, 0);
  check(WeightRole::kOutputNorm, 0);
  if (tensors_.output) check(WeightRole::kOutput, 0);
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t i = 0; i < std::tuple_size_v<GgufLayer>; ++i) {
      check(static_cast<WeightRole>(kFirstOfLayer + i), layer);
    }
  }
}

const GgufTensor& GgufWeights::find(WeightRole role, std::uint32_t layer) const {
  switch (role) {
    case WeightRole::kTokenEmbedding:
      return tensors_.token_embedding;
    case WeightRole::kOutputNorm:
      return tensors_.output_norm;
    case WeightRole::kOutput:
      return tensors_.output.value();
    default:
      return tensors_.layers.at(layer).at(static_cast<std::size_t>(role) - kFirstOfLayer);
  }
}

void GgufWeights::check(WeightRole role, std::uint32_t layer) const {
  const Dimensions wanted = weight_dimensions(shape_, role);
  const std::vector<std::uint64_t>& shape = find(role, layer).shape;
  // GGUF has the length of a row first.
  if (std::equal(shape.rbegin(), shape.rend(), wanted.begin(), wanted.end())) return;
  throw Error(code::kModelInvalid, "The tensor " + weight_name(role, layer) +
                                       " does not have the shape that the model's numbers give.");
}

void GgufWeights::read(WeightRole role, std::uint32_t layer, std::span<std::uint16_t> out,
                       const AbortFlag& abort) {
  const GgufTensor& tensor = find(role, layer);
  gguf::WeightTensor source;
  source.name = weight_name(role, layer);
  source.type = tensor.type;
  source.offset = tensor.offset;
  source.columns = tensor.shape.at(0);
  source.rows = tensor.shape.size() > 1 ? tensor.shape[1] : 1;
  const bool rotated = role == WeightRole::kQuery || role == WeightRole::kKey;
  const gguf::RowOrder order{rotated && tensors_.interleaved ? shape_.head_length : 0};
  reader_.read_slices(source, order, abort, [&](const gguf::WeightSlice& slice) {
    const std::span<std::uint16_t> place =
        out.subspan(slice.first_row * source.columns, slice.values.size());
    std::ranges::transform(slice.values, place.begin(), f32_to_f16);
  });
}

}  // namespace mobillm::qnn
