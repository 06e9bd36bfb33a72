#include <bit>
#include <cstring>
#include <type_traits>

#include "mobillm/error.hpp"
#include "mobillm/float16.hpp"
#include "mobillm/kv_layout.hpp"

namespace mobillm {

namespace {

// Numbers of one format as raw bits, which need no alignment in memory.
struct F16 {
  using Bits = std::uint16_t;
  static bool is_finite(Bits bits) { return (bits & 0x7c00U) != 0x7c00U; }
  static float to_float(Bits bits) { return f16_to_f32(bits); }
  static Bits from_float(float value) { return f32_to_f16(value); }
};
struct Bf16 {
  using Bits = std::uint16_t;
  static bool is_finite(Bits bits) { return (bits & 0x7f80U) != 0x7f80U; }
  static float to_float(Bits bits) { return bf16_to_f32(bits); }
  static Bits from_float(float value) { return f32_to_bf16(value); }
};
struct F32 {
  using Bits = std::uint32_t;
  static bool is_finite(Bits bits) { return (bits & 0x7f800000U) != 0x7f800000U; }
  static float to_float(Bits bits) { return std::bit_cast<float>(bits); }
  static Bits from_float(float value) { return std::bit_cast<Bits>(value); }
};

// Returns whether a finite number became none.
template <typename From, typename To>
bool copy_value(const std::byte* in, std::size_t in_index, std::byte* out, std::size_t out_index) {
  typename From::Bits from;
  std::memcpy(&from, in + in_index * sizeof from, sizeof from);
  typename To::Bits to;
  if constexpr (std::is_same_v<From, To>) {
    to = from;
  } else {
    to = To::from_float(From::to_float(from));
  }
  std::memcpy(out + out_index * sizeof to, &to, sizeof to);
  if constexpr (std::is_same_v<From, To> || std::is_same_v<To, F32>) {
    return false;  // holds whatever the other format holds
  } else {
    return From::is_finite(from) && !To::is_finite(to);
  }
}

// One row. `Repair` is -1 from interleaved to neox, 1 the other way, 0 for the same pairing.
// Returns whether a finite number became none.
template <typename From, typename To, int Repair>
bool convert_row(const std::byte* in, std::byte* out, std::size_t length, std::size_t rotated) {
  std::size_t i = 0;
  bool overflow = false;
  if constexpr (Repair != 0) {
    const auto move = [&](std::size_t neox, std::size_t interleaved) {
      if constexpr (Repair < 0) {
        overflow |= copy_value<From, To>(in, interleaved, out, neox);
      } else {
        overflow |= copy_value<From, To>(in, neox, out, interleaved);
      }
    };
    const std::size_t half = rotated / 2;
    for (; i < half; ++i) {
      move(i, 2 * i);
      move(i + half, 2 * i + 1);
    }
    i = 2 * half;
  }
  for (; i < length; ++i) overflow |= copy_value<From, To>(in, i, out, i);
  return overflow;
}

struct Rows {
  const std::byte* in;
  std::size_t in_stride;
  std::byte* out;
  std::size_t out_stride;
  std::size_t count;
  std::size_t length;
  std::size_t rotated;
};

template <typename From, typename To, int Repair>
void convert_each(const Rows& rows) {
  for (std::size_t row = 0; row < rows.count; ++row) {
    if (convert_row<From, To, Repair>(rows.in + row * rows.in_stride,
                                      rows.out + row * rows.out_stride, rows.length,
                                      rows.rotated)) {
      throw Error(code::kKvMismatch,
                  "The cache holds a number that is too large for the format in which this engine "
                  "keeps its own (f16 ends at 65504). Open the decoding model with keys and values "
                  "of a wider format, or compute the prompt on it.");
    }
  }
}

template <typename From, typename To>
void convert_between(const Rows& rows, int repair) {
  if (repair < 0) {
    convert_each<From, To, -1>(rows);
  } else if (repair > 0) {
    convert_each<From, To, 1>(rows);
  } else if constexpr (std::is_same_v<From, To>) {
    const std::size_t bytes = rows.length * sizeof(typename From::Bits);
    for (std::size_t row = 0; row < rows.count; ++row) {
      std::memcpy(rows.out + row * rows.out_stride, rows.in + row * rows.in_stride, bytes);
    }
  } else {
    convert_each<From, To, 0>(rows);
  }
}

template <typename From>
void convert_from(const Rows& rows, KvDtype to, int repair) {
  switch (to) {
    case KvDtype::kF16:
      return convert_between<From, F16>(rows, repair);
    case KvDtype::kBf16:
      return convert_between<From, Bf16>(rows, repair);
    case KvDtype::kF32:
      return convert_between<From, F32>(rows, repair);
  }
}

}  // namespace

void convert_kv_rows(const std::byte* in, std::size_t in_stride, KvRowFormat in_format,
                     std::byte* out, std::size_t out_stride, KvRowFormat out_format,
                     std::size_t rows, std::int32_t length, std::int32_t rotated_length) {
  const Rows job{in,
                 in_stride,
                 out,
                 out_stride,
                 rows,
                 static_cast<std::size_t>(length),
                 static_cast<std::size_t>(rotated_length)};
  const bool same = in_format.pairing == out_format.pairing || rotated_length == 0;
  const int repair = same ? 0 : out_format.pairing == KvPairing::kNeox ? -1 : 1;
  switch (in_format.dtype) {
    case KvDtype::kF16:
      return convert_from<F16>(job, out_format.dtype, repair);
    case KvDtype::kBf16:
      return convert_from<Bf16>(job, out_format.dtype, repair);
    case KvDtype::kF32:
      return convert_from<F32>(job, out_format.dtype, repair);
  }
}

}  // namespace mobillm
