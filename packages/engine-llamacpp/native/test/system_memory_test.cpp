#include "system_memory.hpp"

#include <string>

#include "check.hpp"

using mobillm::llamacpp::available_memory_bytes;
using mobillm::llamacpp::parse_cgroup_path;
using mobillm::llamacpp::parse_mem_available;
using mobillm::llamacpp::parse_memory_stat;

int main() {
  CHECK_EQUAL(parse_mem_available("MemTotal:       24524096 kB\nMemFree:         1024 kB\n"
                                  "MemAvailable:   23921112 kB\nBuffers: 1 kB\n")
                  .value(),
              23921112ull * 1024);
  CHECK(!parse_mem_available("MemTotal: 1 kB\n"));

  const std::string stat = "anon 1\nfile 20\ninactive_file_x 3\ninactive_file 4096\n";
  CHECK_EQUAL(parse_memory_stat(stat, "inactive_file").value(), 4096u);
  CHECK(!parse_memory_stat(stat, "slab"));

  CHECK_EQUAL(std::string(parse_cgroup_path("12:cpu:/old\n0::/user.slice/app\n")),
              std::string("/user.slice/app"));
  CHECK_EQUAL(std::string(parse_cgroup_path("1:name=systemd:/\n")), std::string());

#if defined(__linux__)
  CHECK(available_memory_bytes().value() > 0);
#endif
}
