#include "quantize_groups.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace mobillm::mlc {

namespace {

// Least and greatest of what a nibble stands for, before it is scaled.
constexpr float kLeast = -kZeroPoint;
constexpr float kGreatest = 15 - kZeroPoint;

// The greatest weight of a group is tried as each of these; above 8 it is cut off, so that the
// others come out finer.
constexpr float kFirstTried = 6.6F;
constexpr float kStep = 0.2F;
constexpr int kTried = 13;

// Sums are kept apart in lanes, which a compiler may add side by side without reordering anything.
constexpr std::size_t kLanes = 8;
using Lanes = std::array<float, kLanes>;

float sum(const Lanes& lanes) noexcept {
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// To the nearest integer, for numbers far below 2^22: larger ones have no bits for a fraction.
float nearest(float value) noexcept {
  constexpr float kShift = 12582912.0F;
  return (value + kShift) - kShift;
}

float level(float weight, float inverse) noexcept {
  return std::min(std::max(nearest(weight * inverse), kLeast), kGreatest);
}

// The weight that is greatest in size, with its sign; no number when one of them is not finite.
float greatest(const float* weights) noexcept {
  float found = 0;
  float checked = 0;
  for (std::size_t i = 0; i < kGroupWeights; ++i) {
    if (std::fabs(weights[i]) > std::fabs(found)) found = weights[i];
    checked += weights[i] * 0.0F;
  }
  return found + checked;
}

struct Choice {
  float inverse = 0;
  float scale = 0;
  // What the squared error is below the squared weights: (w . q)^2 / (q . q).
  float gain = 0;
};

Choice choose_scale(const float* weights, float extreme) noexcept {
  Choice best;
  for (int tried = 0; tried < kTried; ++tried) {
    const float inverse = (kFirstTried + kStep * static_cast<float>(tried)) / extreme;
    Lanes products{};
    Lanes squares{};
    for (std::size_t i = 0; i < kGroupWeights; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float rounded = level(weights[i + lane], inverse);
        products[lane] += weights[i + lane] * rounded;
        squares[lane] += rounded * rounded;
      }
    }
    const float product = sum(products);
    const float square = sum(squares);
    // The extreme itself never rounds to zero, so there is something to divide by.
    const float gain = product * (product / square);
    if (gain > best.gain) best = {inverse, product / square, gain};
  }
  return best;
}

}  // namespace

bool quantize_row(std::span<const float> row, std::span<std::uint32_t> words,
                  std::span<float> scales) noexcept {
  for (std::size_t group = 0; group < row.size() / kGroupWeights; ++group) {
    const float* weights = row.data() + group * kGroupWeights;
    const float extreme = greatest(weights);
    if (!std::isfinite(extreme)) return false;
    // Weights so small that dividing by them overflows are nothing beside any others.
    const bool zero = std::fabs(extreme) < 1e-30F;
    const Choice choice = zero ? Choice{} : choose_scale(weights, extreme);
    scales[group] = choice.scale;
    for (std::size_t word = 0; word < kGroupWeights / kWordWeights; ++word) {
      std::uint32_t bits = 0;
      for (std::size_t i = 0; i < kWordWeights; ++i) {
        const float rounded = level(weights[word * kWordWeights + i], choice.inverse);
        const auto nibble = static_cast<std::uint32_t>(static_cast<int>(rounded) + kZeroPoint);
        bits |= nibble << (4 * i);
      }
      words[group * (kGroupWeights / kWordWeights) + word] = bits;
    }
  }
  return true;
}

}  // namespace mobillm::mlc
