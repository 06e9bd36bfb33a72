#include "rope_table.hpp"

#include <cmath>

#include "mobillm/float16.hpp"

namespace mobillm::qnn {

RopeTable::RopeTable(std::uint32_t positions, std::uint32_t rotated_length, double base,
                     double scale)
    : half_(rotated_length / 2), cosines_(positions * half_), sines_(positions * half_) {
  for (std::size_t i = 0; i < half_; ++i) {
    const double frequency =
        scale * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(rotated_length));
    for (std::size_t position = 0; position < positions; ++position) {
      const double angle = static_cast<double>(position) * frequency;
      cosines_[position * half_ + i] = f32_to_f16(static_cast<float>(std::cos(angle)));
      sines_[position * half_ + i] = f32_to_f16(static_cast<float>(std::sin(angle)));
    }
  }
}

}  // namespace mobillm::qnn
