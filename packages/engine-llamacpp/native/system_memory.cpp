#include "system_memory.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>

#if !defined(_WIN32)
#include <sys/resource.h>
#endif

#if defined(__APPLE__)
#include <mach/mach.h>
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

#include "text_file.hpp"

namespace mobillm::llamacpp {

namespace {

// The number that starts at or after `from`; empty where there is none (`max`).
std::optional<std::uint64_t> number_at(std::string_view text, std::size_t from) {
  const std::size_t start = text.find_first_not_of(" \t", from);
  if (start == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

// The line of `text` that begins with `name` and a separator, from after the name; empty if none.
std::optional<std::uint64_t> value_of_line(std::string_view text, std::string_view name) {
  std::size_t line = 0;
  while (line < text.size()) {
    if (text.substr(line, name.size()) == name) return number_at(text, line + name.size());
    const std::size_t end = text.find('\n', line);
    if (end == std::string_view::npos) break;
    line = end + 1;
  }
  return std::nullopt;
}

#if defined(__linux__)
// What the cgroups of this process still allow: the least of limit − use over the way up.
std::optional<std::uint64_t> cgroup_available_bytes() {
  const std::string self = read_text_file("/proc/self/cgroup");
  std::string path(parse_cgroup_path(self));
  std::optional<std::uint64_t> least;
  for (;;) {
    const std::string folder = "/sys/fs/cgroup" + path;
    const std::string limit_text = read_text_file(folder + "/memory.max");
    const auto limit = number_at(limit_text, 0);  // `max` is no number: no limit here
    if (limit) {
      const std::string current_text = read_text_file(folder + "/memory.current");
      const std::uint64_t current = number_at(current_text, 0).value_or(0);
      const std::string stat = read_text_file(folder + "/memory.stat");
      // File pages count as used, but go when memory is asked for.
      const std::uint64_t droppable =
          std::min(current, parse_memory_stat(stat, "inactive_file").value_or(0));
      const std::uint64_t used = current - droppable;
      const std::uint64_t left = *limit > used ? *limit - used : 0;
      least = std::min(least.value_or(left), left);
    }
    if (path.empty() || path == "/") return least;
    path.resize(path.find_last_of('/'));
  }
}
#endif

}  // namespace

std::optional<std::uint64_t> parse_mem_available(std::string_view meminfo) {
  const auto kibibytes = value_of_line(meminfo, "MemAvailable:");
  if (!kibibytes) return std::nullopt;
  return *kibibytes * 1024;
}

std::optional<std::uint64_t> parse_memory_stat(std::string_view memory_stat,
                                               std::string_view name) {
  return value_of_line(memory_stat, std::string(name) + " ");
}

std::string_view parse_cgroup_path(std::string_view self_cgroup) {
  std::size_t line = 0;
  while (line < self_cgroup.size()) {
    const std::size_t end = std::min(self_cgroup.find('\n', line), self_cgroup.size());
    const std::string_view row = self_cgroup.substr(line, end - line);
    if (row.substr(0, 3) == "0::") return row.substr(3);
    line = end + 1;
  }
  return {};
}

std::optional<std::uint64_t> available_memory_bytes() {
#if defined(__linux__)
  const auto machine = parse_mem_available(read_text_file("/proc/meminfo"));
  const auto group = cgroup_available_bytes();
  if (machine && group) return std::min(*machine, *group);
  return machine ? machine : group;
#elif defined(__APPLE__)
  vm_statistics64_data_t stats;
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&stats),
                        &count) != KERN_SUCCESS) {
    return std::nullopt;
  }
  const std::uint64_t pages =
      static_cast<std::uint64_t>(stats.free_count) + stats.inactive_count + stats.purgeable_count;
  return pages * vm_kernel_page_size;
#elif defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  if (!GlobalMemoryStatusEx(&status)) return std::nullopt;
  return status.ullAvailPhys;
#else
  return std::nullopt;
#endif
}

std::optional<std::uint64_t> lockable_memory_bytes() {
#if defined(RLIMIT_MEMLOCK)
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  return limit.rlim_cur;
#else
  return std::nullopt;
#endif
}

}  // namespace mobillm::llamacpp
