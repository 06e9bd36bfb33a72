// Cosines and sines of the rotary positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mobillm::qnn {

// Half-precision cosines and sines for positions from 0 on: `rotated_length / 2` of each a
// position, angle i being position × scale × base^(−2i / rotated_length). Computed once, in double
// precision.
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(std::uint32_t positions, std::uint32_t rotated_length, double base, double scale);

  std::span<const std::uint16_t> cosines(std::uint32_t position) const {
    return row(cosines_, position);
  }
  std::span<const std::uint16_t> sines(std::uint32_t position) const {
    return row(sines_, position);
  }

 private:
  std::span<const std::uint16_t> row(const std::vector<std::uint16_t>& table,
                                     std::uint32_t position) const {
    return std::span(table).subspan(std::size_t{position} * half_, half_);
  }

  std::size_t half_ = 0;
  std::vector<std::uint16_t> cosines_;
  std::vector<std::uint16_t> sines_;
};

}  // namespace mobillm::qnn
