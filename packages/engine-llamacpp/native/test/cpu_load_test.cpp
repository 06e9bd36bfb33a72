#include "cpu_load.hpp"

#include "check.hpp"

using mobillm::llamacpp::allowed_processors;
using mobillm::llamacpp::choose_threads;
using mobillm::llamacpp::CpuLoadProbe;
using mobillm::llamacpp::parse_busy_ticks;
using mobillm::llamacpp::parse_cpu_max;

namespace {

constexpr const char* kProcStat =
    "cpu  1000 20 300 90000 50 6 7 8 9 0\n"
    "cpu0 100 10 200 40000 25 1 2 3 4 0\n"
    "cpu1 900 10 100 50000 25 5 5 5 5 0\n"
    "intr 12345 0 9\n"
    "cpu11 1 1 1 1 1 1 1 1 1 0\n";

void busy_ticks_are_all_but_idle_and_waiting() {
  CHECK_EQUAL(parse_busy_ticks(kProcStat, {0}).value(), 316.0);
  CHECK_EQUAL(parse_busy_ticks(kProcStat, {0, 1}).value(), 316.0 + 1025.0);
  CHECK_EQUAL(parse_busy_ticks(kProcStat, {11}).value(), 6.0);
  CHECK(!parse_busy_ticks(kProcStat, {0, 2}));
  CHECK(!parse_busy_ticks("", {0}));
}

void quotas_are_read_in_processors() {
  CHECK_EQUAL(parse_cpu_max("200000 100000\n").value(), 2.0);
  CHECK_EQUAL(parse_cpu_max("50000 100000").value(), 0.5);
  CHECK(!parse_cpu_max("max 100000"));
  CHECK(!parse_cpu_max(""));
}

void threads_are_what_is_free_of_the_fast_ones() {
  CHECK_EQUAL(choose_threads(8, 8, 0.0), 8);
  CHECK_EQUAL(choose_threads(8, 4, 0.0), 4);
  CHECK_EQUAL(choose_threads(8, 8, 0.2), 8);
  CHECK_EQUAL(choose_threads(8, 8, 0.3), 7);
  CHECK_EQUAL(choose_threads(8, 4, 5.0), 3);
  CHECK_EQUAL(choose_threads(2, 2, 1.9), 1);
  CHECK_EQUAL(choose_threads(2, 2, 9.0), 1);
  CHECK_EQUAL(choose_threads(2, 2, -0.5), 2);
}

void this_machine_has_processors() {
  CHECK(allowed_processors() >= 1);
  const int threads = CpuLoadProbe().free_threads(1 << 20);
  CHECK(threads >= 1 && threads <= allowed_processors());
}

}  // namespace

int main() {
  busy_ticks_are_all_but_idle_and_waiting();
  quotas_are_read_in_processors();
  threads_are_what_is_free_of_the_fast_ones();
  this_machine_has_processors();
}
