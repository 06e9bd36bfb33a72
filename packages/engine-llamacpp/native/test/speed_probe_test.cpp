#include "speed_probe.hpp"

#include "check.hpp"

using mobillm::llamacpp::choose_blocks;
using mobillm::llamacpp::choose_count;

namespace {

void the_fewest_of_the_fastest_is_taken() {
  CHECK_EQUAL(choose_count({4, 3, 2, 1}, {10, 13, 20, 40}), 4);
  CHECK_EQUAL(choose_count({4, 3, 2, 1}, {10, 10.2, 20, 40}), 3);
  CHECK_EQUAL(choose_count({4, 3, 2, 1}, {100, 13, 20, 40}), 3);
  CHECK_EQUAL(choose_count({2, 1}, {65, 6.5}), 1);
  CHECK_EQUAL(choose_count({8, 6, 4, 3, 2, 12}, {5, 5, 5, 5, 5, 4}), 12);
  CHECK_EQUAL(choose_count({1}, {3}), 1);
}

void blocks_have_to_gain_something() {
  CHECK(choose_blocks({.with_blocks_ms = 100, .with_matrix_ms = 120}));
  CHECK(!choose_blocks({.with_blocks_ms = 100, .with_matrix_ms = 103}));
  CHECK(!choose_blocks({.with_blocks_ms = 100, .with_matrix_ms = 100}));
  CHECK(!choose_blocks({.with_blocks_ms = 100, .with_matrix_ms = 90}));
}

}  // namespace

int main() {
  the_fewest_of_the_fastest_is_taken();
  blocks_have_to_gain_something();
}
