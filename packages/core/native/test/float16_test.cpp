#include "mobillm/float16.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.hpp"

using mobillm::bf16_to_f32;
using mobillm::f16_to_f32;
using mobillm::f32_to_bf16;
using mobillm::f32_to_f16;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What a half means, by the definition of the format and no trick.
double f16_by_definition(std::uint32_t half) {
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((half >> 10) & 0x1F);
  const int fraction = static_cast<int>(half & 0x3FF);
  if (exponent == 0x1F) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

void every_half_means_what_the_format_says() {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_to_f32(static_cast<std::uint16_t>(bits));
    const double expected = f16_by_definition(bits);
    if (std::isnan(expected)) {
      CHECK(std::isnan(value));
      CHECK_EQUAL(std::signbit(value), (bits & 0x8000) != 0);
    } else {
      CHECK(same(value, static_cast<float>(expected)));
    }
  }
}

void every_half_and_every_bfloat_survives_the_way_there_and_back() {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      CHECK_EQUAL(f32_to_f16(value), half);
    }
    const float brain = bf16_to_f32(half);
    CHECK_EQUAL(std::bit_cast<std::uint32_t>(brain), bits << 16);
    if (std::isnan(brain)) {
      CHECK(std::isnan(bf16_to_f32(f32_to_bf16(brain))));
    } else {
      CHECK_EQUAL(f32_to_bf16(brain), half);
    }
  }
}

// Between each two neighbours: what is nearer to one becomes it, and what is halfway becomes the
// one with an even last bit.
template <typename ToFloat, typename FromFloat>
void rounds_to_nearest_even(ToFloat to_float, FromFloat from_float, std::uint16_t largest) {
  for (std::uint16_t low = 0; low < largest; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const float below = to_float(low);
    const float above = to_float(high);
    // Exact: both have far fewer bits than a single.
    const float middle = below + (above - below) / 2;
    const auto even = static_cast<std::uint16_t>((low & 1) == 0 ? low : high);
    CHECK_EQUAL(from_float(middle), even);
    CHECK_EQUAL(from_float(std::nextafter(middle, 0.0f)), low);
    CHECK_EQUAL(from_float(std::nextafter(middle, kInfinity)), high);
    CHECK_EQUAL(from_float(-middle), static_cast<std::uint16_t>(even | 0x8000));
  }
}

void what_is_too_large_becomes_infinite() {
  CHECK_EQUAL(f32_to_f16(65504.0f), 0x7BFF);
  CHECK_EQUAL(f32_to_f16(std::nextafter(65520.0f, 0.0f)), 0x7BFF);
  CHECK_EQUAL(f32_to_f16(65520.0f), 0x7C00);
  CHECK_EQUAL(f32_to_f16(-1e30f), 0xFC00);
  CHECK_EQUAL(f32_to_f16(kInfinity), 0x7C00);
  CHECK_EQUAL(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  CHECK_EQUAL(f32_to_bf16(-kInfinity), 0xFF80);
}

void what_is_too_small_becomes_zero_with_its_sign() {
  CHECK_EQUAL(f32_to_f16(0x1p-25f), 0x0000);  // halfway to the smallest, which is odd
  CHECK_EQUAL(f32_to_f16(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
  CHECK_EQUAL(f32_to_f16(-1e-30f), 0x8000);
  CHECK_EQUAL(f32_to_f16(-0.0f), 0x8000);
  CHECK_EQUAL(f32_to_bf16(-0.0f), 0x8000);
}

void what_is_no_number_stays_none() {
  // Payload bits that would all be cut away.
  const auto nan = std::bit_cast<float>(0x7F800001u);
  CHECK(std::isnan(f16_to_f32(f32_to_f16(nan))));
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
}

}  // namespace

int main() {
  every_half_means_what_the_format_says();
  every_half_and_every_bfloat_survives_the_way_there_and_back();
  rounds_to_nearest_even(f16_to_f32, f32_to_f16, 0x7BFF);
  // The last step but one: beyond it, twice the distance is no finite number.
  rounds_to_nearest_even(bf16_to_f32, f32_to_bf16, 0x7F7F);
  what_is_too_large_becomes_infinite();
  what_is_too_small_becomes_zero_with_its_sign();
  what_is_no_number_stays_none();
}
