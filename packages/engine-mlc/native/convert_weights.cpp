#include "convert_weights.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <utility>

#include "mobillm/error.hpp"
#include "quantize_groups.hpp"

namespace mobillm::mlc {

namespace {

constexpr std::uint64_t kTileRows = 32;
// Keeps the products of extents within 64 bits; the reader has a bound of its own.
constexpr std::uint64_t kMostExtent = std::uint64_t{1} << 28;

[[noreturn]] void fail_weight(const std::string& name, const std::string& what) {
  throw Error(code::kModelInvalid,
              "The weights \"" + name + "\" " + what + ". Download or convert the model again.",
              {{"tensor", name}});
}

struct Extents {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
};

Extents extents_of(const Weight& weight) {
  Extents extents;
  for (const WeightPart& part : weight.parts) {
    const bool fits = part.tensor.columns >= 1 && part.tensor.columns <= kMostExtent &&
                      part.tensor.rows >= 1 && part.tensor.rows <= kMostExtent - extents.rows;
    if (!fits || (extents.rows > 0 && part.tensor.columns != extents.columns)) {
      fail_weight(weight.name, "have an impossible shape");
    }
    extents.columns = part.tensor.columns;
    extents.rows += part.tensor.rows;
  }
  if (extents.rows == 0) fail_weight(weight.name, "are missing");
  return extents;
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

// Puts the rows of one matrix into the layout and hands them on in bands of 32 rows.
class Band {
 public:
  Band(std::uint64_t width, WeightLayout layout)
      : width_(width), layout_(layout), rows_(width * kTileRows), tile_(rows_.size()) {}

  // Where the next row goes.
  std::span<std::uint32_t> next() { return std::span(rows_).subspan(count_ * width_, width_); }
  bool push() { return ++count_ == kTileRows; }
  bool empty() const { return count_ == 0; }

  // What is in the band, in the layout; the band is then empty.
  std::span<const std::uint32_t> take() {
    const std::uint64_t count = std::exchange(count_, 0);
    if (layout_ == WeightLayout::kRows) return std::span(rows_).first(count * width_);
    std::fill(rows_.begin() + static_cast<std::ptrdiff_t>(count * width_), rows_.end(), 0U);
    for (std::uint64_t column = 0; column < width_; ++column) {
      for (std::uint64_t row = 0; row < kTileRows; ++row) {
        tile_[column * kTileRows + row] = rows_[row * width_ + column];
      }
    }
    return tile_;
  }

 private:
  std::uint64_t width_;  // of a row, in words of 32 bits: all formats are made of those
  WeightLayout layout_;
  std::uint64_t count_ = 0;
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint32_t> tile_;
};

TensorRecord record_of(const std::string& name, const char* dtype, const Extents& extents,
                       std::uint64_t width, WeightLayout layout) {
  TensorRecord record;
  record.name = name;
  record.dtype = dtype;
  if (layout == WeightLayout::kRows) {
    record.shape = {extents.rows, width};
  } else {
    record.shape = {(extents.rows + kTileRows - 1) / kTileRows, width, kTileRows};
  }
  record.nbytes = sizeof(std::uint32_t);
  for (const std::uint64_t extent : record.shape) record.nbytes *= extent;
  return record;
}

class Converter {
 public:
  Converter(const ConversionPlan& plan, const AbortFlag& abort, ConversionProgress& progress)
      : plan_(plan),
        abort_(abort),
        progress_(progress),
        reader_(plan.source),
        writer_(plan.folder) {}

  std::vector<ShardRecord> run() {
    std::uint64_t all = 0;
    for (const Weight& weight : plan_.weights) {
      const Extents extents = extents_of(weight);
      all += extents.rows * extents.columns;
    }
    progress_.weights_all = all;
    for (const Weight& weight : plan_.weights) {
      if (weight.is_vector) {
        convert_vector(weight);
      } else if (plan_.format == WeightFormat::kF32) {
        convert_floats(weight);
      } else {
        convert_quantized(weight);
      }
    }
    return writer_.finish();
  }

 private:
  // Hands out the rows of all parts, one at a time.
  template <typename Take>
  void each_row(const Weight& weight, const Take& take) {
    for (const WeightPart& part : weight.parts) {
      const std::uint64_t columns = part.tensor.columns;
      reader_.read_slices(part.tensor, part.order, abort_, [&](const gguf::WeightSlice& slice) {
        for (std::uint64_t row = 0; row < slice.rows; ++row) {
          take(slice.values.subspan(row * columns, columns));
        }
        progress_.weights_done += slice.rows * columns;
      });
    }
  }

  void convert_vector(const Weight& weight) {
    const Extents extents = extents_of(weight);
    const std::uint64_t length = extents.rows * extents.columns;
    writer_.begin({weight.name + ".weight", {length}, "float32", length * sizeof(float), 0});
    each_row(weight, [&](std::span<const float> row) { writer_.write(std::as_bytes(row)); });
  }

  void convert_floats(const Weight& weight) {
    const Extents extents = extents_of(weight);
    Band band(extents.columns, plan_.layout);
    writer_.begin(
        record_of(weight.name + ".weight", "float32", extents, extents.columns, plan_.layout));
    each_row(weight, [&](std::span<const float> row) {
      std::ranges::transform(row, band.next().begin(),
                             [](float value) { return std::bit_cast<std::uint32_t>(value); });
      if (band.push()) writer_.write(std::as_bytes(band.take()));
    });
    if (!band.empty()) writer_.write(std::as_bytes(band.take()));
  }

  void convert_quantized(const Weight& weight) {
    const Extents extents = extents_of(weight);
    if (extents.columns % kGroupWeights != 0) {
      throw Error(code::kModelUnsupported,
                  "The weights \"" + weight.name + "\" have rows of " +
                      std::to_string(extents.columns) +
                      " numbers, and in 4 bits they have to be a multiple of 32. Compile to f32.",
                  {{"tensor", weight.name}});
    }
    const std::uint64_t words = extents.columns / kWordWeights;
    const std::uint64_t groups = extents.columns / kGroupWeights;
    Band word_band(words, plan_.layout);
    Band scale_band(groups, plan_.layout);
    // Scales are a tensor of their own, which comes after all words.
    std::vector<std::uint32_t> scales;
    std::vector<float> row_scales(groups);
    const auto flush = [&] {
      writer_.write(std::as_bytes(word_band.take()));
      const auto band = scale_band.take();
      scales.insert(scales.end(), band.begin(), band.end());
    };
    writer_.begin(record_of(weight.name + ".q_weight", "uint32", extents, words, plan_.layout));
    each_row(weight, [&](std::span<const float> row) {
      if (!quantize_row(row, word_band.next(), row_scales)) {
        fail_weight(weight.name, "hold an infinity or something that is no number");
      }
      std::ranges::transform(row_scales, scale_band.next().begin(),
                             [](float value) { return std::bit_cast<std::uint32_t>(value); });
      const bool full = word_band.push();
      scale_band.push();
      if (full) flush();
    });
    if (!word_band.empty()) flush();
    writer_.begin(record_of(weight.name + ".q_scale", "float32", extents, groups, plan_.layout));
    writer_.write(bytes_of(scales));
  }

  const ConversionPlan& plan_;
  const AbortFlag& abort_;
  ConversionProgress& progress_;
  gguf::WeightReader reader_;
  ShardWriter writer_;
};

}  // namespace

std::vector<ShardRecord> convert_weights(const ConversionPlan& plan, const AbortFlag& abort,
                                         ConversionProgress& progress) {
  return Converter(plan, abort, progress).run();
}

}  // namespace mobillm::mlc
