// Reads weights of a GGUF file in single precision, a slice at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mobillm/abort_flag.hpp"

namespace mobillm::gguf {

// A tensor as a checked header describes it: a matrix, or a vector as a matrix of one row.
struct WeightTensor {
  // For sentences alone.
  std::string name;
  // Number of its format in GGUF files.
  std::uint32_t type = 0;
  // Byte of the file at which it starts.
  std::uint64_t offset = 0;
  // Weights in a row; whole blocks.
  std::uint64_t columns = 0;
  std::uint64_t rows = 1;
};

// In which order rows are handed out.
struct RowOrder {
  // 0 for that of the file. Otherwise the length of a head of queries or keys, whose rows GGUF's
  // "llama" keeps in pairs (2i, 2i + 1) that are rotated against each other: they are handed out as
  // halves, row i of a head being 2i of the file, and row i + head_length / 2 being 2i + 1.
  std::uint64_t head_length = 0;
};

// Whole rows of a tensor: `values` holds `columns` of each, from `first_row` on. Valid during the
// call.
struct WeightSlice {
  std::uint64_t first_row;
  std::uint64_t rows;
  std::span<const float> values;
};

// One open file. Not for several threads at once.
class WeightReader {
 public:
  // Most bytes of a slice, in the file and in memory; larger only where a single row, or a single
  // head whose rows are put in order, is.
  static constexpr std::size_t kSliceBytes = std::size_t{16} << 20;

  // Throws FILE_NOT_FOUND when the file (a path in UTF-8) is missing, no file, or cannot be opened.
  explicit WeightReader(const std::string& path);

  // Hands out the rows of a tensor in order. The flag is polled before each slice.
  //
  // Throws MODEL_UNSUPPORTED for a format that cannot be read, MODEL_INVALID when the tensor does
  // not fit its format or its file, IO_FAILED when the system cannot read, ABORTED.
  void read_slices(const WeightTensor& tensor, const RowOrder& order, const AbortFlag& abort,
                   const std::function<void(const WeightSlice&)>& take);

  // Reads a whole tensor into `out`, which has room for `rows * columns` numbers. Throws as
  // `read_slices` does.
  void read(const WeightTensor& tensor, const RowOrder& order, const AbortFlag& abort,
            std::span<float> out);

 private:
  void read_bytes(const WeightTensor& tensor, std::uint64_t offset, std::span<std::byte> out);

  std::string path_;
  std::uint64_t file_bytes_ = 0;
  std::ifstream file_;
  std::vector<std::byte> blocks_;
  std::vector<float> values_;
};

}  // namespace mobillm::gguf
