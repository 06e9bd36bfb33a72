#include "kv_state_codec.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

constexpr std::uint32_t kMagic = 0xaf143cd8;

[[noreturn]] void throw_unexpected(const char* field, const std::string& actual,
                                   const std::string& expected) {
  throw Error(code::kUnsupported,
              std::string("This build of llama.cpp writes a sequence's cache in another form than "
                          "the one known here: ") +
                  field + " is " + actual + " where " + expected +
                  " was expected. Caches cannot be handed over with it.",
              {{"field", std::string(field)}});
}

// Three ways over one form: reading compares each field with what is expected, writing writes it,
// and counting adds up its size.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> block) : block_(block) {}

  template <typename T>
  T next() {
    T value;
    if (block_.size() - at_ < sizeof value) throw_unexpected("the block", "shorter", "more");
    std::memcpy(&value, block_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  template <typename T>
  void field(const char* name, T expected) {
    const T actual = next<T>();
    if (actual != expected)
      throw_unexpected(name, std::to_string(actual), std::to_string(expected));
  }
  std::size_t skip(std::size_t bytes) {
    if (block_.size() - at_ < bytes) throw_unexpected("the block", "shorter", "more");
    at_ += bytes;
    return at_ - bytes;
  }

 private:
  std::span<const std::byte> block_;
  std::size_t at_ = 0;
};

class Writer {
 public:
  explicit Writer(std::span<std::byte> block) : block_(block) {}

  template <typename T>
  void field(const char*, T value) {
    std::memcpy(block_.data() + at_, &value, sizeof value);
    at_ += sizeof value;
  }
  std::size_t skip(std::size_t bytes) {
    at_ += bytes;
    return at_ - bytes;
  }

 private:
  std::span<std::byte> block_;
  std::size_t at_ = 0;
};

class Counter {
 public:
  template <typename T>
  void field(const char*, T) {
    bytes_ += sizeof(T);
  }
  std::size_t skip(std::size_t bytes) {
    bytes_ += bytes;
    return bytes_ - bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

// Tokens that lie in cells next to each other, in order.
struct Run {
  std::size_t cell;
  std::size_t token;
  std::size_t length;
};

// Keys or values of one layer in a block.
struct StateTensor {
  std::size_t at;  // where its numbers begin
  KvDtype dtype;
  std::int32_t length;   // of a head
  std::int32_t rotated;  // of those values; 0 for values
  bool transposed;
};

KvDtype dtype_of(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32:
      return KvDtype::kF32;
    case GGML_TYPE_BF16:
      return KvDtype::kBf16;
    default:
      return KvDtype::kF16;
  }
}

template <typename Cursor>
void head(Cursor& cursor, const KvStatePart& part) {
  cursor.field("the magic number", kMagic);
  cursor.field("the sequence", part.sequence);
  cursor.field("the number of streams", std::uint32_t{1});
  cursor.field("the number of cells", static_cast<std::uint32_t>(part.tokens));
}

// Cells can be in any order: where a sequence was cut and went on, it fills the gaps that it finds.
std::vector<Run> read_cells(Reader& reader, const KvStatePart& part) {
  std::vector<Run> runs;
  std::vector<bool> seen(part.tokens, false);
  for (std::size_t cell = 0; cell < part.tokens; ++cell) {
    const auto position = reader.next<std::int32_t>();
    const std::int64_t token = std::int64_t{position} - part.first_position;
    if (token < 0 || token >= static_cast<std::int64_t>(part.tokens) ||
        seen[static_cast<std::size_t>(token)]) {
      throw_unexpected("a position", std::to_string(position), "each one once");
    }
    const auto index = static_cast<std::size_t>(token);
    seen[index] = true;
    reader.field("the number of a cell's sequences", std::uint32_t{1});
    reader.field("a cell's sequence", part.sequence);
    if (!runs.empty() && runs.back().token + runs.back().length == index) {
      ++runs.back().length;
    } else {
      runs.push_back({cell, index, 1});
    }
  }
  return runs;
}

template <typename Cursor>
void ordered_cells(Cursor& cursor, const KvStatePart& part) {
  for (std::size_t cell = 0; cell < part.tokens; ++cell) {
    cursor.field("", static_cast<std::int32_t>(part.first_position + static_cast<int>(cell)));
    cursor.field("", std::uint32_t{1});
    cursor.field("", part.sequence);
  }
}

// Goes over what follows the cells; `visit(layer, is_value, tensor)` for each tensor.
template <typename Cursor, typename Visit>
void tensors(Cursor& cursor, const KvStateFormat& format, std::size_t tokens, Visit visit) {
  const KvShape& shape = format.shape;
  cursor.field("the transposition of values", std::uint32_t{format.transposed_values ? 1u : 0u});
  cursor.field("the number of layers", static_cast<std::uint32_t>(shape.layers));
  const auto row_values = [&](std::int32_t length) {
    return static_cast<std::uint32_t>(shape.kv_heads * length);
  };
  for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
    const KvDtype dtype = dtype_of(format.key_type);
    cursor.field("the type of keys", static_cast<std::int32_t>(format.key_type));
    cursor.field("the size of a row of keys",
                 std::uint64_t{row_values(shape.key_length) * kv_element_bytes(dtype)});
    const std::size_t at = cursor.skip(shape.tensor_bytes(shape.key_length, tokens, dtype));
    visit(layer, false, StateTensor{at, dtype, shape.key_length, shape.rope.rotated_length, false});
  }
  for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
    const KvDtype dtype = dtype_of(format.value_type);
    const std::uint32_t values = row_values(shape.value_length);
    cursor.field("the type of values", static_cast<std::int32_t>(format.value_type));
    if (format.transposed_values) {
      cursor.field("the size of a value", static_cast<std::uint32_t>(kv_element_bytes(dtype)));
      cursor.field("the number of values in a row", values);
    } else {
      cursor.field("the size of a row of values", std::uint64_t{values * kv_element_bytes(dtype)});
    }
    const std::size_t at = cursor.skip(shape.tensor_bytes(shape.value_length, tokens, dtype));
    visit(layer, true, StateTensor{at, dtype, shape.value_length, 0, format.transposed_values});
  }
}

// Heads that lie evenly in both forms: `rows` of `length` values, the first one at a byte of the
// block and at a value of the neutral tensor, which has `neutral_stride` values to the next row.
struct Slice {
  std::size_t state_at;
  std::size_t state_stride;
  std::size_t neutral_at;
  std::size_t neutral_stride;
  std::size_t rows;
  std::int32_t length;
  std::int32_t rotated;
};

// Where a block's tokens go in a neutral tensor of `tokens` tokens, from `offset` on.
struct Place {
  std::size_t cells;
  std::size_t tokens;
  std::size_t offset;
};

template <typename Visit>
void slices(const StateTensor& tensor, std::int32_t kv_heads, const Place& place,
            std::span<const Run> runs, Visit visit) {
  const std::size_t element = kv_element_bytes(tensor.dtype);
  const auto length = static_cast<std::size_t>(tensor.length);
  const auto heads = static_cast<std::size_t>(kv_heads);
  for (std::size_t head = 0; head < heads; ++head) {
    for (const Run& run : runs) {
      const std::size_t neutral = (head * place.tokens + place.offset + run.token) * length;
      if (!tensor.transposed) {
        visit(Slice{tensor.at + (run.cell * heads + head) * length * element,
                    heads * length * element, neutral, length, run.length, tensor.length,
                    tensor.rotated});
        continue;
      }
      for (std::size_t value = 0; value < length; ++value) {
        visit(Slice{tensor.at + ((head * length + value) * place.cells + run.cell) * element,
                    element, neutral + value, length, run.length, 1, 0});
      }
    }
  }
}

}  // namespace

std::size_t KvStateCodec::block_bytes(std::size_t tokens) const {
  Counter counter;
  const KvStatePart part{0, 0, tokens};
  head(counter, part);
  ordered_cells(counter, part);
  tensors(counter, format_, tokens, [](std::int32_t, bool, const StateTensor&) {});
  return counter.bytes();
}

void KvStateCodec::decode(std::span<const std::byte> block, const KvStatePart& part, KvSpan out,
                          std::size_t offset) const {
  const std::size_t expected = block_bytes(part.tokens);
  if (block.size() != expected) {
    throw_unexpected("the size of the block", std::to_string(block.size()),
                     std::to_string(expected));
  }
  const auto each_tensor = [&](auto visit) {
    Reader reader(block);
    head(reader, part);
    const std::vector<Run> runs = read_cells(reader, part);
    tensors(reader, format_, part.tokens,
            [&](std::int32_t layer, bool is_value, const StateTensor& tensor) {
              visit(layer, is_value, tensor, runs);
            });
  };
  // All of it is looked at before any of it is believed.
  each_tensor([](std::int32_t, bool, const StateTensor&, std::span<const Run>) {});

  const KvShape& shape = format_.shape;
  const std::size_t element = kv_element_bytes(shape.dtype);
  const KvPairing pairing = shape.rope.pairing;
  each_tensor(
      [&](std::int32_t layer, bool is_value, const StateTensor& tensor, std::span<const Run> runs) {
        std::byte* neutral = is_value ? out.values(shape, layer) : out.keys(shape, layer);
        slices(tensor, shape.kv_heads, {part.tokens, out.tokens, offset}, runs,
               [&](const Slice& slice) {
                 convert_kv_rows(block.data() + slice.state_at, slice.state_stride,
                                 {tensor.dtype, pairing}, neutral + slice.neutral_at * element,
                                 slice.neutral_stride * element, {shape.dtype, pairing}, slice.rows,
                                 slice.length, slice.rotated);
               });
      });
}

void KvStateCodec::encode(const KvView& in, std::size_t offset, const KvStatePart& part,
                          std::span<std::byte> block) const {
  const KvShape& shape = format_.shape;
  const std::size_t element = kv_element_bytes(in.dtype);
  const Run all{0, 0, part.tokens};
  Writer writer(block);
  head(writer, part);
  ordered_cells(writer, part);
  tensors(writer, format_, part.tokens,
          [&](std::int32_t layer, bool is_value, const StateTensor& tensor) {
            const KvLayerView& view = in.layers[static_cast<std::size_t>(layer)];
            const std::byte* neutral = is_value ? view.values : view.keys;
            slices(tensor, shape.kv_heads, {part.tokens, in.tokens, offset}, {&all, 1},
                   [&](const Slice& slice) {
                     convert_kv_rows(neutral + slice.neutral_at * element,
                                     slice.neutral_stride * element, {in.dtype, in.pairing},
                                     block.data() + slice.state_at, slice.state_stride,
                                     {tensor.dtype, shape.rope.pairing}, slice.rows, slice.length,
                                     slice.rotated);
                   });
          });
}

}  // namespace mobillm::llamacpp
