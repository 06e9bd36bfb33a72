#include "tiny_llama.hpp"

#include <algorithm>
#include <cmath>

#include "mobillm/float16.hpp"

namespace mobillm::qnn::test {

namespace {

// Knuth's MMIX generator; the high bits as a number from −1 to 1.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  float next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<std::int32_t>(state_ >> 32)) / 2147483648.0f;
  }

 private:
  std::uint64_t state_;
};

using Vector = std::vector<float>;

Vector normalize(const Vector& x, const Vector& gamma) {
  float squares = 0;
  for (const float value : x) squares += value * value;
  const float scale = 1.0f / std::sqrt(squares / static_cast<float>(x.size()) + kEpsilon);
  Vector out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] * scale * gamma[i];
  return out;
}

Vector project(const Vector& x, const Vector& matrix) {
  Vector out(matrix.size() / x.size());
  for (std::size_t row = 0; row < out.size(); ++row) {
    for (std::size_t i = 0; i < x.size(); ++i) out[row] += matrix[row * x.size() + i] * x[i];
  }
  return out;
}

void rotate(Vector& heads, std::uint32_t length, std::size_t position) {
  const std::uint32_t half = length / 2;
  for (std::size_t head = 0; head < heads.size(); head += length) {
    for (std::uint32_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(kRopeBase, -2.0 * i / static_cast<double>(length));
      const auto c = static_cast<float>(std::cos(angle));
      const auto s = static_cast<float>(std::sin(angle));
      const float low = heads[head + i];
      const float high = heads[head + i + half];
      heads[head + i] = low * c - high * s;
      heads[head + i + half] = high * c + low * s;
    }
  }
}

void add(Vector& to, const Vector& more) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += more[i];
}

// Attention of one query over all keys and values so far.
Vector attend(const LlamaShape& shape, const Vector& query, const std::vector<Vector>& keys,
              const std::vector<Vector>& values) {
  const std::size_t length = shape.head_length;
  const std::size_t group = shape.heads / shape.kv_heads;
  Vector out(query.size());
  for (std::size_t head = 0; head < shape.heads; ++head) {
    const std::size_t from = head / group * length;
    Vector scores(keys.size());
    for (std::size_t t = 0; t < keys.size(); ++t) {
      for (std::size_t i = 0; i < length; ++i) {
        scores[t] += query[head * length + i] * keys[t][from + i];
      }
      scores[t] /= std::sqrt(static_cast<float>(length));
    }
    const float most = *std::max_element(scores.begin(), scores.end());
    float sum = 0;
    for (float& score : scores) sum += score = std::exp(score - most);
    for (std::size_t t = 0; t < keys.size(); ++t) {
      for (std::size_t i = 0; i < length; ++i) {
        out[head * length + i] += scores[t] / sum * values[t][from + i];
      }
    }
  }
  return out;
}

}  // namespace

void TinyWeights::read(WeightRole role, std::uint32_t layer, std::span<std::uint16_t> out,
                       const AbortFlag&) {
  std::ranges::transform(floats(role, layer), out.begin(), f32_to_f16);
}

const std::vector<float>& TinyWeights::floats(WeightRole role, std::uint32_t layer) {
  std::vector<float>& values = floats_[{role, layer}];
  if (!values.empty()) return values;
  std::size_t elements = 1;
  for (const std::uint32_t length : weight_dimensions(shape_, role)) elements *= length;
  Numbers numbers(static_cast<std::uint64_t>(role) * 1000 + layer + 1);
  const bool norm = role == WeightRole::kAttentionNorm || role == WeightRole::kFeedForwardNorm ||
                    role == WeightRole::kOutputNorm;
  for (std::size_t i = 0; i < elements; ++i) {
    const float value = norm ? 1.0f + 0.2f * numbers.next() : 0.3f * numbers.next();
    values.push_back(f16_to_f32(f32_to_f16(value)));
  }
  return values;
}

std::vector<std::vector<float>> reference_logits(const LlamaShape& shape, TinyWeights& weights,
                                                 const std::vector<Token>& tokens) {
  std::vector<std::vector<Vector>> keys(shape.layers);
  std::vector<std::vector<Vector>> values(shape.layers);
  std::vector<Vector> logits;
  for (std::size_t position = 0; position < tokens.size(); ++position) {
    const Vector& table = weights.floats(WeightRole::kTokenEmbedding, 0);
    const auto row = table.begin() + tokens[position] * static_cast<int>(shape.embedding_length);
    Vector x(row, row + shape.embedding_length);
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      const auto w = [&](WeightRole role) -> const Vector& { return weights.floats(role, layer); };
      const Vector normal = normalize(x, w(WeightRole::kAttentionNorm));
      Vector query = project(normal, w(WeightRole::kQuery));
      Vector key = project(normal, w(WeightRole::kKey));
      rotate(query, shape.head_length, position);
      rotate(key, shape.head_length, position);
      keys[layer].push_back(key);
      values[layer].push_back(project(normal, w(WeightRole::kValue)));
      add(x, project(attend(shape, query, keys[layer], values[layer]),
                     w(WeightRole::kAttentionOutput)));
      const Vector next = normalize(x, w(WeightRole::kFeedForwardNorm));
      Vector gate = project(next, w(WeightRole::kGate));
      const Vector up = project(next, w(WeightRole::kUp));
      for (std::size_t i = 0; i < gate.size(); ++i) {
        gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
      }
      add(x, project(gate, w(WeightRole::kDown)));
    }
    const Vector last = normalize(x, weights.floats(WeightRole::kOutputNorm, 0));
    const WeightRole head =
        weights.has_output() ? WeightRole::kOutput : WeightRole::kTokenEmbedding;
    logits.push_back(project(last, weights.floats(head, 0)));
  }
  return logits;
}

std::vector<Token> some_tokens(std::size_t count, std::uint32_t seed, std::uint32_t vocabulary) {
  Numbers numbers(seed);
  std::vector<Token> tokens;
  while (tokens.size() < count) {
    const float share = (numbers.next() + 1) / 2;
    tokens.push_back(static_cast<Token>(share * static_cast<float>(vocabulary - 1)));
  }
  return tokens;
}

}  // namespace mobillm::qnn::test
