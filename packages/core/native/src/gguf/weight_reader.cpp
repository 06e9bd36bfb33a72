#include "mobillm/gguf/weight_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "mobillm/error.hpp"
#include "mobillm/gguf/dequantize.hpp"

namespace mobillm::gguf {
namespace {

// Beyond every model; keeps products of two extents, and of an extent and a few bytes, within 64
// bits.
constexpr std::uint64_t kMaxExtent = std::uint64_t{1} << 28;
// Largest single row or head in memory.
constexpr std::uint64_t kMaxUnitBytes = std::uint64_t{256} << 20;

std::filesystem::path to_path(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

[[noreturn]] void fail_tensor(const WeightTensor& tensor, const std::string& what) {
  throw Error(
      code::kModelInvalid,
      "The tensor \"" + tensor.name + "\" " + what + ". Download or convert the model again.",
      {{"tensor", tensor.name}});
}

// How a tensor lies in its file.
struct RowLayout {
  std::uint64_t row_bytes;
  // Rows that have to be read together.
  std::uint64_t unit_rows;
  std::uint64_t slice_rows;
};

RowLayout layout_of(const WeightTensor& tensor, const RowOrder& order, std::uint64_t file_bytes) {
  const std::uint64_t elements = block_elements(tensor.type);
  if (elements == 0) {
    throw Error(
        code::kModelUnsupported,
        "The tensor \"" + tensor.name + "\" has the number format " + std::to_string(tensor.type) +
            ", which cannot be converted. Use a conversion of the model to F16, Q8_0 or Q4_K.",
        {{"tensor", tensor.name}, {"type", static_cast<double>(tensor.type)}});
  }
  if (tensor.columns == 0 || tensor.columns > kMaxExtent || tensor.rows == 0 ||
      tensor.rows > kMaxExtent || tensor.columns % elements != 0) {
    fail_tensor(tensor, "has the impossible shape " + std::to_string(tensor.columns) + " x " +
                            std::to_string(tensor.rows));
  }
  const std::uint64_t row_bytes = tensor.columns / elements * block_bytes(tensor.type);
  if (tensor.offset > file_bytes || row_bytes * tensor.rows > file_bytes - tensor.offset) {
    fail_tensor(tensor, "ends beyond its file of " + std::to_string(file_bytes) + " bytes");
  }
  const std::uint64_t unit_rows = std::max<std::uint64_t>(order.head_length, 1);
  if (order.head_length % 2 != 0 || tensor.rows % unit_rows != 0) {
    fail_tensor(tensor, "has " + std::to_string(tensor.rows) + " rows, which are not heads of " +
                            std::to_string(order.head_length));
  }
  const std::uint64_t row_memory = std::max(row_bytes, tensor.columns * sizeof(float));
  if (unit_rows > kMaxUnitBytes / row_memory) {
    fail_tensor(tensor, "has rows or heads beyond all measure");
  }
  const std::uint64_t units = WeightReader::kSliceBytes / (row_memory * unit_rows);
  return {row_bytes, unit_rows, std::max<std::uint64_t>(units, 1) * unit_rows};
}

// Where the file has the row that is handed out as `row`.
std::uint64_t source_row(std::uint64_t row, const RowOrder& order) {
  if (order.head_length == 0) return row;
  const std::uint64_t in_head = row % order.head_length;
  const std::uint64_t half = order.head_length / 2;
  return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

}  // namespace

WeightReader::WeightReader(const std::string& path) : path_(path) {
  const auto fail = [&path](const std::string& why) {
    throw Error(code::kFileNotFound, "The model file \"" + path + "\" " + why + ".",
                {{"path", path}});
  };
  const std::filesystem::path native = to_path(path);
  std::error_code error;
  const auto status = std::filesystem::status(native, error);
  if (!std::filesystem::exists(status)) {
    fail("does not exist. Check the path, or download the model first");
  }
  if (!std::filesystem::is_regular_file(status)) fail("is no file. Name the model file itself");
  file_bytes_ = std::filesystem::file_size(native, error);
  // Large reads pass the buffer by.
  file_.open(native, std::ios::binary);
  if (error || !file_) fail("may not be read. Check its permissions");
}

void WeightReader::read_slices(const WeightTensor& tensor, const RowOrder& order,
                               const AbortFlag& abort,
                               const std::function<void(const WeightSlice&)>& take) {
  const RowLayout layout = layout_of(tensor, order, file_bytes_);
  const auto columns = static_cast<std::size_t>(tensor.columns);
  for (std::uint64_t first = 0; first < tensor.rows; first += layout.slice_rows) {
    if (abort.is_set()) throw Error(code::kAborted, "Reading the weights was aborted.");
    const std::uint64_t rows = std::min(layout.slice_rows, tensor.rows - first);
    blocks_.resize(static_cast<std::size_t>(rows * layout.row_bytes));
    values_.resize(static_cast<std::size_t>(rows) * columns);
    read_bytes(tensor, tensor.offset + first * layout.row_bytes, blocks_);
    if (order.head_length == 0) {
      dequantize(tensor.type, blocks_.data(), values_.size(), values_.data());
    } else {
      for (std::uint64_t row = 0; row < rows; ++row) {
        const std::uint64_t from = source_row(row, order);
        dequantize(tensor.type, blocks_.data() + from * layout.row_bytes, columns,
                   values_.data() + row * columns);
      }
    }
    take({first, rows, values_});
  }
}

void WeightReader::read(const WeightTensor& tensor, const RowOrder& order, const AbortFlag& abort,
                        std::span<float> out) {
  const std::uint64_t columns = tensor.columns;
  if (columns != 0 && out.size() / columns < tensor.rows) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "out",
                          "has no room for the tensor \"" + tensor.name + "\"");
  }
  read_slices(tensor, order, abort, [&](const WeightSlice& slice) {
    std::copy(slice.values.begin(), slice.values.end(),
              out.begin() + static_cast<std::ptrdiff_t>(slice.first_row * columns));
  });
}

void WeightReader::read_bytes(const WeightTensor& tensor, std::uint64_t offset,
                              std::span<std::byte> out) {
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (static_cast<std::size_t>(file_.gcount()) == out.size()) return;
  throw Error(code::kIoFailed,
              "The tensor \"" + tensor.name + "\" could not be read from \"" + path_ +
                  "\": the file became shorter, or the disk failed. Check it and try again.",
              {{"path", path_}, {"tensor", tensor.name}});
}

}  // namespace mobillm::gguf
