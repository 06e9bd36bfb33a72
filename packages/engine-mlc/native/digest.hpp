// Checksums of files: sha256 (FIPS 180-4), and md5 (RFC 1321), which MLC's tensor caches record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace mobillm::mlc {

// Collects bytes into blocks of 64 and ends as both standards do: a bit, zeros, the length in bits.
class BlockDigest {
 public:
  virtual ~BlockDigest() = default;

  void update(std::span<const std::byte> bytes);

  // Lower-case hexadecimal. To be called once, at the end.
  std::string finish();

 protected:
  explicit BlockDigest(bool big_endian) : big_endian_(big_endian) {}
  virtual void block(const std::byte* bytes) = 0;
  virtual std::span<const std::uint32_t> words() const = 0;

 private:
  const bool big_endian_;
  std::array<std::byte, 64> pending_{};
  std::size_t pending_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

class Sha256 final : public BlockDigest {
 public:
  Sha256() : BlockDigest(true) {}

 protected:
  void block(const std::byte* bytes) override;
  std::span<const std::uint32_t> words() const override { return state_; }

 private:
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

class Md5 final : public BlockDigest {
 public:
  Md5() : BlockDigest(false) {}

 protected:
  void block(const std::byte* bytes) override;
  std::span<const std::uint32_t> words() const override { return state_; }

 private:
  std::array<std::uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
};

}  // namespace mobillm::mlc
