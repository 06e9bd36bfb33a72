#include "processors.hpp"

#include "check.hpp"
#include "made_up_machine.hpp"

using mobillm::llamacpp::allowed_processor_list;
using mobillm::llamacpp::format_processor_list;
using mobillm::llamacpp::parse_processor_list;
using mobillm::llamacpp::ProcessorList;
using mobillm::llamacpp::Processors;
using mobillm::llamacpp::read_processors;

namespace {

// Real machines are compared with core's probe by test/processors.test.ts.
class Machine : public MadeUpMachine {
 public:
  Processors read() const { return read_processors(root()); }
};

void lists_are_read_and_written() {
  CHECK(parse_processor_list("0-3,6\n") == ProcessorList({0, 1, 2, 3, 6}));
  CHECK(parse_processor_list("5,1,1") == ProcessorList({1, 5}));
  CHECK_EQUAL(format_processor_list({0, 1, 2, 3, 6, 8, 9}), "0-3,6,8-9");
  CHECK_EQUAL(format_processor_list({}), "");
  for (const char* none : {"", "x", "3-1", "-1", "1-", "0-99999", "0,,1", "1 2", "4294967297"}) {
    CHECK(parse_processor_list(none).empty());
  }
}

void this_machine_has_fast_processors() {
  const Processors here = read_processors();
  CHECK(here.allowed == allowed_processor_list());
  CHECK(here.fast_cores >= 1);
  CHECK(here.fast.size() <= here.allowed.size());
}

void big_cores_are_told_by_capacity() {
  const Machine machine;
  machine.put("/sys/devices/system/cpu/online", "0-7\n");
  machine.put("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-6\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    machine.put_cpu(cpu, "cpu_capacity", cpu < 4 ? "379\n" : cpu < 7 ? "900\n" : "1024\n");
  }
  const Processors read = machine.read();
  CHECK(read.allowed == ProcessorList({0, 1, 2, 3, 4, 5, 6}));
  CHECK(read.fast == ProcessorList({4, 5, 6}));
  CHECK_EQUAL(read.fast_cores, 3);
  CHECK(read.mixed);
}

void confined_to_small_cores_it_uses_those() {
  const Machine machine;
  machine.put("/sys/devices/system/cpu/online", "0-3\n");
  machine.put("/proc/self/status", "Cpus_allowed_list:\t0-1\n");
  for (int cpu = 0; cpu < 4; ++cpu) {
    machine.put_cpu(cpu, "cpu_capacity", cpu < 2 ? "300\n" : "1024\n");
  }
  const Processors read = machine.read();
  CHECK(read.fast == ProcessorList({0, 1}));
  CHECK_EQUAL(read.fast_cores, 2);
  CHECK(read.mixed);
}

void threads_of_a_core_count_once() {
  const Machine machine;
  machine.put("/sys/devices/system/cpu/online", "0-3\n");
  machine.put("/proc/self/status", "Cpus_allowed_list:\t0-3\n");
  for (int cpu = 0; cpu < 4; ++cpu) {
    machine.put_cpu(cpu, "topology/thread_siblings_list", cpu % 2 == 0 ? "0,2\n" : "1,3\n");
  }
  const Processors read = machine.read();
  CHECK(read.fast == ProcessorList({0, 1, 2, 3}));
  CHECK_EQUAL(read.fast_cores, 2);
  CHECK(!read.mixed);
}

void a_system_that_tells_nothing_has_a_processor() {
  const Processors read = Machine().read();
  CHECK(read.allowed.empty() && read.fast.empty() && !read.mixed);
  CHECK(read.fast_cores >= 1);
}

void files_of_garbage_do_no_harm() {
  const Machine machine;
  machine.put("/sys/devices/system/cpu/online", "0-1\n");
  machine.put("/proc/self/status", "Cpus_allowed_list:\tall of them\n");
  machine.put("/proc/cpuinfo", ":::\nprocessor\nCPU part : 0x\nCPU implementer : 0xzz\n");
  machine.put_cpu(0, "cpu_capacity", "-1\n");
  machine.put_cpu(1, "cpu_capacity", "99999999999999999999999\n");
  machine.put_cpu(0, "topology/thread_siblings_list", "7-3\n");
  const Processors read = machine.read();
  CHECK(read.fast == ProcessorList({0, 1}));
  CHECK_EQUAL(read.fast_cores, 2);
}

}  // namespace

int main() {
  lists_are_read_and_written();
  this_machine_has_fast_processors();
  big_cores_are_told_by_capacity();
  confined_to_small_cores_it_uses_those();
  threads_of_a_core_count_once();
  a_system_that_tells_nothing_has_a_processor();
  files_of_garbage_do_no_harm();
}
