#include "optimize/weight_table.hpp"

#include <algorithm>
#include <string_view>

#include "mobillm/error.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

// A short text says little of columns that it hardly uses, and nothing of those that it does not:
// this share of the mean counts for each of them.
constexpr double kPrior = 0.01;

bool is_matrix(const ggml_tensor* tensor) {
  return tensor != nullptr && tensor->op == GGML_OP_NONE && tensor->data != nullptr &&
         tensor->buffer != nullptr && ggml_backend_buffer_is_host(tensor->buffer) &&
         ggml_is_contiguous(tensor) && ggml_n_dims(tensor) >= 2 &&
         std::string_view(tensor->name).ends_with(".weight");
}

bool takes_matrix(ggml_op op) {
  return op == GGML_OP_MUL_MAT || op == GGML_OP_MUL_MAT_ID || op == GGML_OP_GET_ROWS;
}

}  // namespace

bool WeightTable::observe(ggml_tensor* node, bool asked, void* table) {
  return static_cast<WeightTable*>(table)->watch(node, asked);
}

// Asked: whether the node's results are wanted. Told: that they are there, and its inputs, too.
bool WeightTable::watch(ggml_tensor* node, bool asked) {
  if (!learning_ || !takes_matrix(node->op) || !is_matrix(node->src[0])) return !asked;
  if (asked) {
    meet(node->src[0], node->op);
    return node->op == GGML_OP_MUL_MAT;
  }
  count(weights_.at(node->src[0]->name), *node->src[1]);
  return true;
}

void WeightTable::meet(ggml_tensor* tensor, ggml_op use) {
  Weight& weight = weights_[tensor->name];
  if (weight.tensors.empty()) {
    weight.rows = {tensor->type, tensor->ne[0], ggml_nrows(tensor)};
    weight.data = tensor->data;
    weight.squares.assign(static_cast<std::size_t>(tensor->ne[0]), 0);
  }
  if (std::ranges::find(weight.tensors, tensor) == weight.tensors.end()) {
    weight.tensors.push_back(tensor);
  }
  (use == GGML_OP_GET_ROWS ? weight.looked_up : weight.multiplied) = true;
  if (use == GGML_OP_MUL_MAT_ID) weight.routed = true;
}

void WeightTable::count(Weight& weight, const ggml_tensor& input) {
  const bool readable = input.type == GGML_TYPE_F32 && input.nb[0] == sizeof(float) &&
                        input.ne[0] == weight.rows.columns && input.buffer != nullptr &&
                        ggml_backend_buffer_is_host(input.buffer);
  if (!readable) return;
  for (std::int64_t i3 = 0; i3 < input.ne[3]; ++i3) {
    for (std::int64_t i2 = 0; i2 < input.ne[2]; ++i2) {
      for (std::int64_t i1 = 0; i1 < input.ne[1]; ++i1) {
        const auto* row = reinterpret_cast<const float*>(
            static_cast<const std::byte*>(input.data) + static_cast<std::size_t>(i1) * input.nb[1] +
            static_cast<std::size_t>(i2) * input.nb[2] +
            static_cast<std::size_t>(i3) * input.nb[3]);
        for (std::size_t k = 0; k < weight.squares.size(); ++k) {
          weight.squares[k] += static_cast<double>(row[k]) * static_cast<double>(row[k]);
        }
        ++weight.counted;
      }
    }
  }
}

std::vector<WeightFacts> WeightTable::facts() const {
  std::vector<WeightFacts> facts;
  for (const auto& [name, weight] : weights_) {
    facts.push_back({name, weight.rows, weight.looked_up, weight.multiplied});
  }
  return facts;
}

std::vector<float> WeightTable::importance(const std::string& name) const {
  const Weight& weight = weight_named(name);
  if (weight.counted == 0 || weight.routed) return {};
  double mean = 0;
  for (const double square : weight.squares) mean += square;
  mean /= static_cast<double>(weight.squares.size());
  if (!(mean > 0)) return {};
  std::vector<float> importance(weight.squares.size());
  std::ranges::transform(weight.squares, importance.begin(), [mean](double square) {
    return static_cast<float>(square / mean + kPrior);
  });
  return importance;
}

WeightError WeightTable::substitute(const std::string& name, ggml_type type, bool weighted,
                                    int threads, const std::function<bool()>& stopped) {
  Weight& weight = weight_named(name);
  const std::size_t bytes = WeightRows{type, weight.rows.columns, weight.rows.rows}.bytes();
  const auto available = available_memory_bytes();
  if (available && bytes > *available) {
    throw Error(code::kOutOfMemory,
                "There is no memory left to try other numbers for " + name +
                    ". Close other programs, or take a smaller model.",
                {{"neededBytes", static_cast<double>(bytes)},
                 {"availableBytes", static_cast<double>(*available)}});
  }
  restore(name);
  const std::vector<float> importance = weighted ? this->importance(name) : std::vector<float>{};
  std::vector<Block> blocks((bytes + sizeof(Block) - 1) / sizeof(Block) + 1);
  auto* to = reinterpret_cast<std::byte*>(blocks.data());
  const WeightError error =
      requantize(weight.rows, {static_cast<const std::byte*>(weight.data), weight.rows.bytes()},
                 type, {to, bytes}, importance, threads, stopped);
  weight.substitute = std::move(blocks);
  point(weight, type, weight.substitute.data());
  return error;
}

void WeightTable::restore(const std::string& name) {
  Weight& weight = weight_named(name);
  point(weight, weight.rows.type, weight.data);
  weight.substitute = {};
}

void WeightTable::restore_all() noexcept {
  for (auto& [name, weight] : weights_) {
    point(weight, weight.rows.type, weight.data);
    weight.substitute = {};
  }
}

// The library reads type, strides and place of a weight anew with every step, and keeps nothing
// that follows from them: buffers between the steps are for the results alone, whose shapes stay.
void WeightTable::point(const Weight& weight, ggml_type type, void* data) {
  for (ggml_tensor* tensor : weight.tensors) {
    tensor->type = type;
    tensor->nb[0] = ggml_type_size(type);
    tensor->nb[1] = ggml_row_size(type, tensor->ne[0]);
    for (int i = 2; i < GGML_MAX_DIMS; ++i) {
      tensor->nb[i] = tensor->nb[i - 1] * static_cast<std::size_t>(tensor->ne[i - 1]);
    }
    tensor->data = data;
  }
}

WeightTable::Weight& WeightTable::weight_named(const std::string& name) {
  return const_cast<Weight&>(std::as_const(*this).weight_named(name));
}

const WeightTable::Weight& WeightTable::weight_named(const std::string& name) const {
  if (const auto found = weights_.find(name); found != weights_.end()) return found->second;
  throw InvalidArgument(
      InvalidArgument::Kind::kRange, "name",
      "must be a weight matrix that the model was seen to use, but it is \"" + name + "\"");
}

}  // namespace mobillm::llamacpp
