#include "mobillm/gguf/weight_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::AbortFlag;
using mobillm::Error;
using mobillm::gguf::RowOrder;
using mobillm::gguf::WeightReader;
using mobillm::gguf::WeightSlice;
using mobillm::gguf::WeightTensor;

namespace {

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ8_0 = 8;
constexpr std::uint32_t kIq2Xxs = 16;
// Something before the first tensor, of a length that aligns nothing.
constexpr std::size_t kHeaderBytes = 13;

// A file that is gone at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& content)
      : path_((std::filesystem::temp_directory_path() /
               ("mobillm-weights-" + std::to_string(reinterpret_cast<std::uintptr_t>(this))))
                  .string()) {
    write(content);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(const std::vector<std::byte>& content) const {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    CHECK(file.good());
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A matrix of singles whose every value says its place: row and column.
std::vector<std::byte> counting_matrix(std::size_t rows, std::size_t columns) {
  std::vector<std::byte> bytes(kHeaderBytes + rows * columns * sizeof(float));
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const auto value = static_cast<float>(i);
    std::memcpy(bytes.data() + kHeaderBytes + i * sizeof(float), &value, sizeof(float));
  }
  return bytes;
}

WeightTensor matrix(std::uint64_t rows, std::uint64_t columns, std::uint32_t type = kF32) {
  return {"blk.0.attn_q.weight", type, kHeaderBytes, columns, rows};
}

std::vector<float> read_all(const std::string& path, const WeightTensor& tensor,
                            const RowOrder& order = {}) {
  std::vector<float> out(tensor.rows * tensor.columns, -1.0f);
  AbortFlag abort;
  WeightReader(path).read(tensor, order, abort, out);
  return out;
}

template <typename Work>
void check_code(const char* expected, Work&& work) {
  CHECK_THROWS(Error, work(), CHECK_EQUAL(error.code(), std::string(expected)));
}

void reads_rows_in_order() {
  const TemporaryFile file(counting_matrix(6, 4));
  const std::vector<float> out = read_all(file.path(), matrix(6, 4));
  for (std::size_t i = 0; i < out.size(); ++i) CHECK_EQUAL(out[i], static_cast<float>(i));
}

void puts_pairs_of_rows_into_halves() {
  // Two heads of six rows.
  const TemporaryFile file(counting_matrix(12, 2));
  const std::vector<float> out = read_all(file.path(), matrix(12, 2), {.head_length = 6});
  const std::vector<std::size_t> source = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
  for (std::size_t row = 0; row < source.size(); ++row) {
    CHECK_EQUAL(out[row * 2], static_cast<float>(source[row] * 2));
    CHECK_EQUAL(out[row * 2 + 1], static_cast<float>(source[row] * 2 + 1));
  }
}

void reads_quantized_rows_in_halves() {
  // Four rows of one block each: the scale 1, and the row's number as every weight.
  std::vector<std::byte> bytes(kHeaderBytes);
  for (int row = 0; row < 4; ++row) {
    bytes.push_back(std::byte{0x00});
    bytes.push_back(std::byte{0x3C});
    bytes.insert(bytes.end(), 32, static_cast<std::byte>(row));
  }
  const TemporaryFile file(bytes);
  const std::vector<float> out = read_all(file.path(), matrix(4, 32, kQ8_0), {.head_length = 4});
  const std::vector<float> expected = {0, 2, 1, 3};
  for (std::size_t i = 0; i < out.size(); ++i) CHECK_EQUAL(out[i], expected[i / 32]);
}

void hands_out_slices_of_bounded_size() {
  // 40 MiB of singles, in heads of 96 rows.
  const std::size_t rows = 96 * 100;
  const std::size_t columns = 1092;
  const TemporaryFile file(counting_matrix(rows, columns));
  WeightReader reader(file.path());
  AbortFlag abort;
  for (const std::uint64_t head_length : {0u, 96u}) {
    std::uint64_t next = 0;
    int slices = 0;
    reader.read_slices(
        matrix(rows, columns), {.head_length = head_length}, abort, [&](const WeightSlice& slice) {
          CHECK_EQUAL(slice.first_row, next);
          CHECK_EQUAL(slice.values.size(), slice.rows * columns);
          CHECK(slice.values.size_bytes() <= WeightReader::kSliceBytes);
          if (head_length != 0) CHECK_EQUAL(slice.rows % head_length, 0u);
          CHECK_EQUAL(slice.values[0], static_cast<float>(slice.first_row * columns));
          next += slice.rows;
          ++slices;
        });
    CHECK_EQUAL(next, rows);
    CHECK_EQUAL(slices, 3);
  }
}

void stops_between_slices() {
  const std::size_t rows = 9600;
  const TemporaryFile file(counting_matrix(rows, 1092));
  WeightReader reader(file.path());
  AbortFlag abort;
  int slices = 0;
  check_code(mobillm::code::kAborted, [&] {
    reader.read_slices(matrix(rows, 1092), {}, abort, [&](const WeightSlice&) {
      ++slices;
      abort.set();
    });
  });
  CHECK_EQUAL(slices, 1);
}

void refuses_what_does_not_fit() {
  const TemporaryFile file(counting_matrix(6, 4));
  const auto fails = [&](const WeightTensor& tensor, const RowOrder& order = {}) {
    AbortFlag abort;
    check_code(mobillm::code::kModelInvalid, [&] {
      WeightReader(file.path()).read_slices(tensor, order, abort, [](const WeightSlice&) {
        CHECK(false);
      });
    });
  };
  fails(matrix(7, 4));
  fails(matrix(0, 4));
  fails(matrix(6, 0));
  fails(matrix(6, std::uint64_t{1} << 63));
  fails(matrix(std::uint64_t{1} << 62, 4));
  // Not whole blocks.
  fails(matrix(1, 4, kQ8_0));
  WeightTensor beyond = matrix(1, 1);
  beyond.offset = ~std::uint64_t{0};
  fails(beyond);
  // Heads of an odd length, and rows that are no whole heads.
  fails(matrix(6, 4), {.head_length = 3});
  fails(matrix(6, 4), {.head_length = 4});
  fails(matrix(6, 4), {.head_length = ~std::uint64_t{1}});
  check_code(mobillm::code::kModelUnsupported,
             [&] { read_all(file.path(), matrix(1, 256, kIq2Xxs)); });

  AbortFlag abort;
  std::vector<float> small(23);
  CHECK_THROWS(mobillm::InvalidArgument,
               WeightReader(file.path()).read(matrix(6, 4), {}, abort, small),
               CHECK_EQUAL(error.key(), "out"));
}

void says_why_a_file_cannot_be_read() {
  check_code(mobillm::code::kFileNotFound, [] { WeightReader("/nowhere/at/all.gguf"); });
  check_code(mobillm::code::kFileNotFound,
             [] { WeightReader(std::filesystem::temp_directory_path().string()); });

  const TemporaryFile file(counting_matrix(6, 4));
  WeightReader reader(file.path());
  file.write(std::vector<std::byte>(20));
  AbortFlag abort;
  std::vector<float> out(24);
  check_code(mobillm::code::kIoFailed, [&] { reader.read(matrix(6, 4), {}, abort, out); });
  // The reader goes on once the file is whole again.
  file.write(counting_matrix(6, 4));
  reader.read(matrix(6, 4), {}, abort, out);
  CHECK_EQUAL(out[23], 23.0f);
}

}  // namespace

int main() {
  reads_rows_in_order();
  puts_pairs_of_rows_into_halves();
  reads_quantized_rows_in_halves();
  hands_out_slices_of_bounded_size();
  stops_between_slices();
  refuses_what_does_not_fit();
  says_why_a_file_cannot_be_read();
}
