#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/float16.hpp"
#include "mobillm/kv_layout.hpp"

using mobillm::convert_kv_rows;
using mobillm::KvDtype;
using mobillm::KvPairing;
using mobillm::KvRowFormat;

namespace {

using Bytes = std::vector<std::byte>;

// Numbers that are exact in all three formats.
Bytes bytes_of(const std::vector<float>& values, KvDtype dtype) {
  const std::size_t size = mobillm::kv_element_bytes(dtype);
  Bytes bytes(values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::byte* at = bytes.data() + i * size;
    if (dtype == KvDtype::kF32) {
      std::memcpy(at, &values[i], size);
    } else {
      const std::uint16_t bits =
          dtype == KvDtype::kF16 ? mobillm::f32_to_f16(values[i]) : mobillm::f32_to_bf16(values[i]);
      std::memcpy(at, &bits, size);
    }
  }
  return bytes;
}

Bytes convert(const std::vector<float>& values, KvRowFormat from, KvRowFormat to, std::size_t rows,
              std::int32_t rotated) {
  const auto length = static_cast<std::int32_t>(values.size() / rows);
  const Bytes in = bytes_of(values, from.dtype);
  Bytes out(values.size() * mobillm::kv_element_bytes(to.dtype), std::byte{0xEE});
  convert_kv_rows(in.data(), in.size() / rows, from, out.data(), out.size() / rows, to, rows,
                  length, rotated);
  return out;
}

constexpr KvDtype kDtypes[] = {KvDtype::kF16, KvDtype::kBf16, KvDtype::kF32};

void each_format_becomes_each_other_one() {
  const std::vector<float> values{1, -2, 0.5f, 0, 3, -0.25f};
  for (const KvDtype from : kDtypes) {
    for (const KvDtype to : kDtypes) {
      CHECK(convert(values, {from, KvPairing::kNeox}, {to, KvPairing::kNeox}, 2, 2) ==
            bytes_of(values, to));
    }
  }
}

void pairs_move_and_what_is_not_rotated_stays() {
  // Two heads of 6 values, 4 of which are rotated: pairs (0, 1) and (2, 3), or (0, 2) and (1, 3).
  const std::vector<float> interleaved{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16};
  const std::vector<float> neox{1, 3, 2, 4, 5, 6, 11, 13, 12, 14, 15, 16};
  for (const KvDtype from : kDtypes) {
    for (const KvDtype to : kDtypes) {
      const KvRowFormat interleaved_from{from, KvPairing::kInterleaved};
      const KvRowFormat interleaved_to{to, KvPairing::kInterleaved};
      const KvRowFormat neox_from{from, KvPairing::kNeox};
      const KvRowFormat neox_to{to, KvPairing::kNeox};
      CHECK(convert(interleaved, interleaved_from, neox_to, 2, 4) == bytes_of(neox, to));
      CHECK(convert(neox, neox_from, interleaved_to, 2, 4) == bytes_of(interleaved, to));
      // Values have no pairs, whatever the snapshot says of its keys.
      CHECK(convert(neox, neox_from, interleaved_to, 2, 0) == bytes_of(neox, to));
    }
  }
}

void numbers_are_rounded_to_nearest_even() {
  // 1 + 2^-11 is halfway between two halves, and further digits of a bfloat are cut.
  const std::vector<float> values{1 + 0x1p-11f, 1 + 3 * 0x1p-11f};
  const KvRowFormat f32{KvDtype::kF32, KvPairing::kNeox};
  CHECK(convert(values, f32, {KvDtype::kF16, KvPairing::kNeox}, 1, 0) ==
        bytes_of({1, 1 + 0x1p-9f}, KvDtype::kF16));
  CHECK(convert(values, f32, {KvDtype::kBf16, KvPairing::kNeox}, 1, 0) ==
        bytes_of({1, 1}, KvDtype::kBf16));
}

void a_number_that_does_not_fit_is_refused() {
  constexpr KvPairing kNeox = KvPairing::kNeox;
  const auto code_of = [](float value, KvDtype from, KvDtype to) -> std::string {
    try {
      convert({1, 2, value, 3}, {from, kNeox}, {to, kNeox}, 2, 2);
    } catch (const mobillm::Error& error) {
      return error.code();
    }
    return "none";
  };
  CHECK(code_of(65504, KvDtype::kF32, KvDtype::kF16) == "none");
  CHECK(code_of(65520, KvDtype::kF32, KvDtype::kF16) == "KV_MISMATCH");
  CHECK(code_of(-1e6f, KvDtype::kBf16, KvDtype::kF16) == "KV_MISMATCH");
  CHECK(code_of(std::numeric_limits<float>::max(), KvDtype::kF32, KvDtype::kBf16) == "KV_MISMATCH");
  // What is infinite already is for the check of snapshots to refuse.
  CHECK(code_of(std::numeric_limits<float>::infinity(), KvDtype::kF32, KvDtype::kF16) == "none");
}

void rows_may_lie_apart_and_at_any_address() {
  const std::vector<float> values{1, 2, 3, 4};
  const Bytes tight = bytes_of(values, KvDtype::kF32);
  // One byte before, and three between the rows.
  Bytes in(1 + 2 * 11, std::byte{0xEE});
  std::memcpy(in.data() + 1, tight.data(), 8);
  std::memcpy(in.data() + 1 + 11, tight.data() + 8, 8);
  Bytes out(1 + 2 * 7, std::byte{0xDD});
  const KvRowFormat f32{KvDtype::kF32, KvPairing::kInterleaved};
  convert_kv_rows(in.data() + 1, 11, f32, out.data() + 1, 7, {KvDtype::kF16, f32.pairing}, 2, 2, 2);
  const Bytes halves = bytes_of(values, KvDtype::kF16);
  Bytes expected(out.size(), std::byte{0xDD});
  std::memcpy(expected.data() + 1, halves.data(), 4);
  std::memcpy(expected.data() + 1 + 7, halves.data() + 4, 4);
  CHECK(out == expected);
}

}  // namespace

int main() {
  each_format_becomes_each_other_one();
  pairs_move_and_what_is_not_rotated_stays();
  numbers_are_rounded_to_nearest_even();
  a_number_that_does_not_fit_is_refused();
  rows_may_lie_apart_and_at_any_address();
}
