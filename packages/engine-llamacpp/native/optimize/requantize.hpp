// Weights of one tensor from one number format to another, by ggml's own routines.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace mobillm::llamacpp {

// A tensor's numbers as rows of one length; experts and the like stand below each other.
struct WeightRows {
  ggml_type type = GGML_TYPE_F32;
  std::int64_t columns = 0;
  std::int64_t rows = 0;

  std::size_t bytes() const {
    return ggml_row_size(type, columns) * static_cast<std::size_t>(rows);
  }
};

// The format that a name stands for as users write it: `Q4_0`, `q4_k`. Throws InvalidArgument,
// naming `key`, for one that is unknown or that nothing can be written in without a measured
// importance.
ggml_type weight_type_named(const std::string& name, const std::string& key);

// Whether rows of such a length can be read from `from` and written in `to`.
bool can_requantize(ggml_type from, ggml_type to, std::int64_t columns);

// How far the new numbers are from the old: sums over all weights of
// importance × difference² and importance × old².
struct WeightError {
  double difference = 0;
  double energy = 0;

  // Relative to the old numbers: 0 is exact. 0 for weights that are all 0.
  double relative() const { return energy > 0 ? difference / energy : 0; }
};

// Writes `from`'s rows into `to`, which has `to_rows.bytes()`. `importance` says how much an error
// in a column matters, a number above 0 each; empty where all matter alike. On up to `threads`
// threads, the caller's included; `stopped` is asked between pieces of a few hundred thousand
// numbers and ends the work with ABORTED.
WeightError requantize(const WeightRows& from_rows, std::span<const std::byte> from, ggml_type to,
                       std::span<std::byte> to_bytes, std::span<const float> importance,
                       int threads, const std::function<bool()>& stopped);

}  // namespace mobillm::llamacpp
