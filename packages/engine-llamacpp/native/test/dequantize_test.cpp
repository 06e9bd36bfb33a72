// Core's own dequantization against ggml's, bit for bit, over random blocks of every format.

#include "mobillm/gguf/dequantize.hpp"

#include <ggml.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::gguf::block_bytes;
using mobillm::gguf::block_elements;
using mobillm::gguf::can_dequantize;
using mobillm::gguf::dequantize;

namespace {

const std::vector<ggml_type> kReadable = {
    GGML_TYPE_F32,   GGML_TYPE_F16,   GGML_TYPE_BF16,  GGML_TYPE_Q4_0,   GGML_TYPE_Q4_1,
    GGML_TYPE_Q5_0,  GGML_TYPE_Q5_1,  GGML_TYPE_Q8_0,  GGML_TYPE_Q2_K,   GGML_TYPE_Q3_K,
    GGML_TYPE_Q4_K,  GGML_TYPE_Q5_K,  GGML_TYPE_Q6_K,  GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS,
    GGML_TYPE_TQ1_0, GGML_TYPE_TQ2_0, GGML_TYPE_MXFP4,
};

bool is_readable(std::uint32_t type) {
  for (const ggml_type readable : kReadable) {
    if (static_cast<std::uint32_t>(readable) == type) return true;
  }
  return false;
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

void by_ggml(ggml_type type, const std::byte* blocks, std::size_t elements, float* out) {
  if (type == GGML_TYPE_F32) {
    // ggml has no conversion of what is converted.
    std::memcpy(out, blocks, elements * sizeof(float));
    return;
  }
  ggml_get_type_traits(type)->to_float(blocks, out, static_cast<std::int64_t>(elements));
}

// Random bytes make scales that are subnormal, infinite or no number as often as chance has it: one
// half-precision number in 32. Which of the many bit patterns of "no number" comes out of a product
// is the processor's choice, so those are only told apart from numbers.
void check_same_bits(ggml_type type, std::size_t blocks, std::uint32_t seed) {
  const auto number = static_cast<std::uint32_t>(type);
  const std::size_t elements = blocks * block_elements(number);
  // One byte in, so that nothing is aligned by luck.
  const auto bytes = random_bytes(blocks * block_bytes(number) + 1, seed);
  std::vector<std::byte> aligned(bytes.begin() + 1, bytes.end());
  std::vector<float> expected(elements);
  std::vector<float> actual(elements);
  by_ggml(type, aligned.data(), elements, expected.data());
  dequantize(number, bytes.data() + 1, elements, actual.data());
  std::size_t numbers = 0;
  for (std::size_t i = 0; i < elements; ++i) {
    CHECK_EQUAL(std::isnan(actual[i]), std::isnan(expected[i]));
    if (std::isnan(expected[i])) continue;
    ++numbers;
    if (std::bit_cast<std::uint32_t>(actual[i]) == std::bit_cast<std::uint32_t>(expected[i]))
      continue;
    std::cerr << ggml_type_name(type) << ", weight " << i << ": " << actual[i] << " instead of "
              << expected[i] << '\n';
    std::exit(1);
  }
  CHECK(numbers > elements / 2);
}

// Every scale that there is, with the same weights.
void check_every_scale(ggml_type type, std::size_t scale_at) {
  const auto number = static_cast<std::uint32_t>(type);
  const std::size_t elements = block_elements(number);
  auto block = random_bytes(block_bytes(number), 7);
  std::vector<float> expected(elements);
  std::vector<float> actual(elements);
  for (std::uint32_t scale = 0; scale < 0x10000; ++scale) {
    block[scale_at] = static_cast<std::byte>(scale & 0xff);
    block[scale_at + 1] = static_cast<std::byte>(scale >> 8);
    by_ggml(type, block.data(), elements, expected.data());
    dequantize(number, block.data(), elements, actual.data());
    for (std::size_t i = 0; i < elements; ++i) {
      CHECK_EQUAL(std::isnan(actual[i]), std::isnan(expected[i]));
      if (std::isnan(expected[i])) continue;
      CHECK_EQUAL(std::bit_cast<std::uint32_t>(actual[i]),
                  std::bit_cast<std::uint32_t>(expected[i]));
    }
  }
}

double best_seconds(int repetitions, auto&& work) {
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

// Both run on the same core one after the other, the best of several times each, so that a busy
// machine slows both.
void check_speed(ggml_type type) {
  const auto number = static_cast<std::uint32_t>(type);
  const std::size_t elements = std::size_t{1} << 20;
  const auto bytes = random_bytes(elements / block_elements(number) * block_bytes(number), 3);
  std::vector<float> out(elements);
  const double ggml = best_seconds(15, [&] { by_ggml(type, bytes.data(), elements, out.data()); });
  const double own =
      best_seconds(15, [&] { dequantize(number, bytes.data(), elements, out.data()); });
  std::cout << ggml_type_name(type) << ": " << static_cast<double>(elements) / own / 1e6
            << " million weights a second, ggml " << static_cast<double>(elements) / ggml / 1e6
            << '\n';
  CHECK(own < 3 * ggml);
}

}  // namespace

int main(int argc, char** argv) {
  for (std::uint32_t type = 0; type < 64; ++type) {
    CHECK_EQUAL(can_dequantize(type), is_readable(type));
    if (!is_readable(type)) {
      CHECK_EQUAL(block_bytes(type), 0u);
      CHECK_EQUAL(block_elements(type), 0u);
      CHECK_THROWS(mobillm::Error, dequantize(type, nullptr, 0, nullptr),
                   CHECK_EQUAL(error.code(), mobillm::code::kModelUnsupported));
      continue;
    }
    const auto known = static_cast<ggml_type>(type);
    CHECK_EQUAL(block_bytes(type), ggml_type_size(known));
    CHECK_EQUAL(block_elements(type), static_cast<std::size_t>(ggml_blck_size(known)));
  }
  CHECK(!can_dequantize(0xFFFFFFFF));

  for (const ggml_type type : kReadable) {
    const std::size_t blocks = ggml_blck_size(type) == 1 ? 65'536 : 2048;
    for (std::uint32_t seed = 1; seed <= 16; ++seed) check_same_bits(type, blocks, seed);
  }
  check_every_scale(GGML_TYPE_F16, 0);
  check_every_scale(GGML_TYPE_BF16, 0);
  check_every_scale(GGML_TYPE_Q8_0, 0);
  check_every_scale(GGML_TYPE_Q4_1, 2);
  check_every_scale(GGML_TYPE_MXFP4, 0);

  // Figures mean nothing under a sanitizer or on a machine that is asked to hurry.
  if (argc == 2 && std::string(argv[1]) == "--speed") {
    for (const ggml_type type : {GGML_TYPE_Q4_K, GGML_TYPE_Q6_K, GGML_TYPE_Q8_0, GGML_TYPE_Q4_1}) {
      check_speed(type);
    }
  }
}
