#include "digest.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace mobillm::mlc {

namespace {

constexpr std::size_t kBlockBytes = 64;

constexpr std::array<std::uint32_t, 64> kSha256Constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// floor(2^32 * abs(sin(i + 1))), as the standard defines them.
std::array<std::uint32_t, 64> md5_constants() {
  std::array<std::uint32_t, 64> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] =
        static_cast<std::uint32_t>(std::abs(std::sin(static_cast<double>(i + 1))) * 4294967296.0);
  }
  return table;
}

constexpr std::array<int, 16> kMd5Shifts{7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};

std::uint32_t read_big(const std::byte* at) {
  return std::uint32_t{std::to_integer<std::uint8_t>(at[0])} << 24 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[1])} << 16 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[2])} << 8 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[3])};
}

std::uint32_t read_little(const std::byte* at) {
  return std::uint32_t{std::to_integer<std::uint8_t>(at[3])} << 24 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[2])} << 16 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[1])} << 8 |
         std::uint32_t{std::to_integer<std::uint8_t>(at[0])};
}

}  // namespace

void BlockDigest::update(std::span<const std::byte> bytes) {
  total_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (pending_bytes_ == 0 && bytes.size() >= kBlockBytes) {
      block(bytes.data());
      bytes = bytes.subspan(kBlockBytes);
      continue;
    }
    const std::size_t count = std::min(kBlockBytes - pending_bytes_, bytes.size());
    std::memcpy(pending_.data() + pending_bytes_, bytes.data(), count);
    pending_bytes_ += count;
    bytes = bytes.subspan(count);
    if (pending_bytes_ == kBlockBytes) {
      block(pending_.data());
      pending_bytes_ = 0;
    }
  }
}

std::string BlockDigest::finish() {
  const std::uint64_t bits = total_bytes_ * 8;
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    const std::size_t shift = 8 * (big_endian_ ? length.size() - 1 - i : i);
    length[i] = static_cast<std::byte>(bits >> shift);
  }
  constexpr std::byte kOne{0x80};
  constexpr std::byte kZero{0};
  update({&kOne, 1});
  while (pending_bytes_ != kBlockBytes - length.size()) update({&kZero, 1});
  update(length);

  std::string text;
  for (const std::uint32_t word : words()) {
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t byte = word >> (8 * (big_endian_ ? 3 - i : i)) & 0xff;
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 0xf];
    }
  }
  return text;
}

void Sha256::block(const std::byte* bytes) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) w[i] = read_big(bytes + 4 * i);
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t choice = (e & f) ^ (~e & g);
    const std::uint32_t first = h + sum1 + choice + kSha256Constants[i] + w[i];
    const std::uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + sum0 + majority;
  }
  const std::array<std::uint32_t, 8> added{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += added[i];
}

void Md5::block(const std::byte* bytes) {
  static const std::array<std::uint32_t, 64> kConstants = md5_constants();
  auto [a, b, c, d] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t mixed = 0;
    std::size_t word = 0;
    switch (i / 16) {
      case 0:
        mixed = (b & c) | (~b & d);
        word = i;
        break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = (5 * i + 1) % 16;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = (3 * i + 5) % 16;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = 7 * i % 16;
    }
    const std::uint32_t turned = std::rotl(
        a + mixed + kConstants[i] + read_little(bytes + 4 * word), kMd5Shifts[i / 16 * 4 + i % 4]);
    a = d;
    d = c;
    c = b;
    b += turned;
  }
  const std::array<std::uint32_t, 4> added{a, b, c, d};
  for (std::size_t i = 0; i < 4; ++i) state_[i] += added[i];
}

}  // namespace mobillm::mlc
