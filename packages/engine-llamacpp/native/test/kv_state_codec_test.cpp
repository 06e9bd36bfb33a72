#include "kv_state_codec.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/float16.hpp"

using mobillm::KvDtype;
using mobillm::KvPairing;
using mobillm::KvShape;
using mobillm::KvSpan;
using mobillm::KvView;
using mobillm::llamacpp::KvStateCodec;
using mobillm::llamacpp::KvStateFormat;
using mobillm::llamacpp::KvStatePart;

namespace {

using Bytes = std::vector<std::byte>;

KvStateFormat format_of(ggml_type key_type, ggml_type value_type, KvDtype dtype, bool transposed) {
  KvStateFormat format;
  format.shape = {dtype, 2, 3, 4, 6, {KvPairing::kInterleaved, 10000, 1, 4}};
  format.key_type = key_type;
  format.value_type = value_type;
  format.transposed_values = transposed;
  return format;
}

const KvStateFormat kFormats[] = {
    format_of(GGML_TYPE_F16, GGML_TYPE_F16, KvDtype::kF16, false),
    format_of(GGML_TYPE_F16, GGML_TYPE_F16, KvDtype::kF16, true),
    format_of(GGML_TYPE_F32, GGML_TYPE_F32, KvDtype::kF32, true),
    format_of(GGML_TYPE_BF16, GGML_TYPE_BF16, KvDtype::kBf16, false),
    format_of(GGML_TYPE_F16, GGML_TYPE_F32, KvDtype::kF32, true),
};

// A snapshot of random numbers that every format holds.
struct Snapshot {
  Bytes data;
  KvView view;

  Snapshot(const KvShape& shape, std::size_t tokens, std::uint32_t seed) {
    std::mt19937 random(seed);
    data.resize(shape.bytes(tokens));
    const std::size_t size = mobillm::kv_element_bytes(shape.dtype);
    for (std::size_t at = 0; at < data.size(); at += size) {
      const float value = static_cast<float>(static_cast<int>(random() % 256) - 128) / 16;
      const std::uint16_t half =
          shape.dtype == KvDtype::kF16 ? mobillm::f32_to_f16(value) : mobillm::f32_to_bf16(value);
      if (size == 4) {
        std::memcpy(data.data() + at, &value, 4);
      } else {
        std::memcpy(data.data() + at, &half, 2);
      }
    }
    const KvSpan span{data, tokens};
    view = {shape.dtype, shape.rope.pairing, {}, tokens};
    for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
      view.layers.push_back({span.keys(shape, layer), span.values(shape, layer)});
    }
  }
};

Bytes encoded(const KvStateCodec& codec, const Snapshot& snapshot, std::size_t offset,
              const KvStatePart& part) {
  Bytes block(codec.block_bytes(part.tokens));
  codec.encode(snapshot.view, offset, part, block);
  return block;
}

void what_is_written_is_read_again() {
  for (const KvStateFormat& format : kFormats) {
    const KvStateCodec codec(format);
    const Snapshot snapshot(format.shape, 7, 1);
    Bytes data(snapshot.data.size());
    // In parts, as sequences are handed over.
    for (const KvStatePart& part : {KvStatePart{5, 20, 3}, KvStatePart{5, 23, 4}}) {
      const auto offset = static_cast<std::size_t>(part.first_position - 20);
      codec.decode(encoded(codec, snapshot, offset, part), part, {data, 7}, offset);
    }
    CHECK(data == snapshot.data);
  }
}

template <typename T>
void put(Bytes& block, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  block.insert(block.end(), bytes, bytes + sizeof value);
}

// Written by hand, field by field, from the library's source: one layer, two heads of two values,
// two tokens whose cells are in the wrong order.
void the_form_is_the_librarys() {
  KvStateFormat format;
  format.shape = {KvDtype::kF32, 1, 2, 2, 2, {KvPairing::kNeox, 10000, 1, 2}};
  format.key_type = format.value_type = GGML_TYPE_F32;
  for (const bool transposed : {false, true}) {
    format.transposed_values = transposed;
    Bytes block;
    for (const std::uint32_t field : {0xaf143cd8u, 9u, 1u, 2u}) put(block, field);
    for (const std::uint32_t field : {31u, 1u, 9u, 30u, 1u, 9u}) put(block, field);
    for (const std::uint32_t field : {transposed ? 1u : 0u, 1u}) put(block, field);
    put(block, std::int32_t{0});
    put(block, std::uint64_t{16});
    // Rows of the tokens 31 and 30: head 0, head 1.
    for (const float value : {5.f, 6.f, 7.f, 8.f, 1.f, 2.f, 3.f, 4.f}) put(block, value);
    put(block, std::int32_t{0});
    if (transposed) {
      put(block, std::uint32_t{4});
      put(block, std::uint32_t{4});
      for (const float value : {15.f, 11.f, 16.f, 12.f, 17.f, 13.f, 18.f, 14.f}) put(block, value);
    } else {
      put(block, std::uint64_t{16});
      for (const float value : {15.f, 16.f, 17.f, 18.f, 11.f, 12.f, 13.f, 14.f}) put(block, value);
    }
    std::vector<float> out(16);
    const KvStateCodec codec(format);
    codec.decode(block, {9, 30, 2}, {std::as_writable_bytes(std::span(out)), 2}, 0);
    // [head, token, value]
    CHECK((out == std::vector<float>{1, 2, 5, 6, 3, 4, 7, 8, 11, 12, 15, 16, 13, 14, 17, 18}));
  }
}

void another_pairing_and_number_format_is_converted() {
  const KvStateFormat format = format_of(GGML_TYPE_F16, GGML_TYPE_F16, KvDtype::kF16, true);
  KvShape other = format.shape;
  other.dtype = KvDtype::kF32;
  Snapshot snapshot(other, 5, 3);
  const KvStatePart part{0, 0, 5};
  const KvStateCodec codec(format);
  const Bytes straight = encoded(codec, snapshot, 0, part);
  // The same keys, named in the other pairing: 4 rotated values of 4.
  auto* floats = reinterpret_cast<float*>(snapshot.data.data());
  const KvSpan span{snapshot.data, 5};
  for (std::int32_t layer = 0; layer < other.layers; ++layer) {
    auto* keys = floats + (span.keys(other, layer) - snapshot.data.data()) / 4;
    for (std::size_t row = 0; row < 15; ++row, keys += 4) std::swap(keys[1], keys[2]);
  }
  snapshot.view.pairing = KvPairing::kNeox;
  CHECK(encoded(codec, snapshot, 0, part) == straight);
}

// Which bytes of a block are numbers of the tensors, and no field.
std::vector<bool> data_bytes(const KvStateFormat& format, std::size_t tokens) {
  const KvShape& shape = format.shape;
  std::vector<bool> result(16 + tokens * 12 + 8, false);
  const auto tensors = [&](ggml_type type, std::int32_t length) {
    const std::size_t values = tokens * static_cast<std::size_t>(shape.kv_heads * length);
    for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
      // Type and row size, or type, size of a value, and values in a row.
      result.insert(result.end(), 12, false);
      result.insert(result.end(), values * ggml_type_size(type), true);
    }
  };
  tensors(format.key_type, shape.key_length);
  tensors(format.value_type, shape.value_length);
  return result;
}

void require_refused(const KvStateCodec& codec, const Bytes& block, const KvStatePart& part) {
  Bytes out(codec.format().shape.bytes(part.tokens), std::byte{0xEE});
  const Bytes before = out;
  CHECK_THROWS(mobillm::Error, codec.decode(block, part, {out, part.tokens}, 0),
               CHECK_EQUAL(error.code(), std::string("UNSUPPORTED")));
  CHECK(out == before);
}

void a_block_with_any_wrong_field_is_refused() {
  for (const KvStateFormat& format : kFormats) {
    const KvStateCodec codec(format);
    const KvStatePart part{3, 40, 4};
    const Bytes sound = encoded(codec, Snapshot(format.shape, 4, 9), 0, part);
    const std::vector<bool> is_data = data_bytes(format, part.tokens);
    CHECK_EQUAL(is_data.size(), sound.size());
    for (std::size_t i = 0; i < sound.size(); ++i) {
      for (int bit = 0; bit < 8 && !is_data[i]; ++bit) {
        Bytes block = sound;
        block[i] ^= static_cast<std::byte>(1 << bit);
        require_refused(codec, block, part);
      }
    }
  }
}

void a_block_that_was_cut_or_goes_on_is_refused() {
  for (const KvStateFormat& format : kFormats) {
    const KvStateCodec codec(format);
    const KvStatePart part{3, 40, 4};
    const Bytes sound = encoded(codec, Snapshot(format.shape, 4, 9), 0, part);
    for (std::size_t size = 0; size < sound.size(); ++size) {
      require_refused(codec, Bytes(sound.begin(), sound.begin() + static_cast<long>(size)), part);
    }
    Bytes longer = sound;
    longer.push_back(std::byte{0});
    require_refused(codec, longer, part);
  }
}

void random_blocks_are_refused() {
  std::mt19937 random(77);
  const KvStateCodec codec(kFormats[0]);
  const KvStatePart part{3, 40, 4};
  const Bytes sound = encoded(codec, Snapshot(kFormats[0].shape, 4, 9), 0, part);
  for (int round = 0; round < 2000; ++round) {
    Bytes block = sound;
    for (std::size_t i = 0; i < 72; ++i) {
      if (random() % 3 == 0) block[i] = static_cast<std::byte>(random());
    }
    block[0] ^= std::byte{1};
    require_refused(codec, block, part);
  }
}

void positions_come_each_once() {
  const KvStateCodec codec(kFormats[0]);
  const KvStatePart part{3, 40, 4};
  const Bytes sound = encoded(codec, Snapshot(kFormats[0].shape, 4, 9), 0, part);
  for (const std::int32_t position : {39, 41, 44, -1, -2147483647, 2147483647}) {
    Bytes block = sound;
    std::memcpy(block.data() + 16, &position, sizeof position);
    require_refused(codec, block, part);
  }
}

}  // namespace

int main() {
  what_is_written_is_read_again();
  the_form_is_the_librarys();
  another_pairing_and_number_format_is_converted();
  a_block_with_any_wrong_field_is_refused();
  a_block_that_was_cut_or_goes_on_is_refused();
  random_blocks_are_refused();
  positions_come_each_once();
}
