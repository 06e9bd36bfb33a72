#include "processors.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "text_file.hpp"

namespace mobillm::llamacpp {

namespace {

// More than any system has; a list that goes on beyond it is none.
constexpr int kMostProcessors = 4096;

// As core's `classifyCores`: below these shares of the fastest core's speed a core is a slow one.
// The kernel's rating includes work per clock; clocks alone flatter small cores.
constexpr double kSlowCapacityShare = 0.6;
constexpr double kSlowClockShare = 0.7;

// Arm and Qualcomm designs that are always the small ones, whatever their clock, as core's table of
// Arm cores has them: implementer and part of the core's own register.
constexpr std::pair<int, int> kSmallDesigns[] = {
    {0x41, 0xc07}, {0x41, 0xd03}, {0x41, 0xd04}, {0x41, 0xd05}, {0x41, 0xd46},
    {0x41, 0xd80}, {0x51, 0x801}, {0x51, 0x803}, {0x51, 0x805},
};

struct Design {
  int implementer = -1;
  int part = -1;
};

struct Core {
  ProcessorList threads;
  std::optional<double> capacity;
  std::optional<double> clock;
  bool small = false;  // by its design
};

std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
}

std::optional<int> parse_integer(std::string_view text, int base = 10) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> read_speed(const std::string& path) {
  const std::string text = read_text_file(path);
  std::uint64_t value = 0;
  const std::string_view digits = trimmed(text);
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc() || result.ptr != digits.data() + digits.size() || value == 0) {
    return std::nullopt;
  }
  return static_cast<double>(value);
}

// The text behind `name:` in a line of Linux's tables.
std::optional<std::string_view> field(std::string_view line, std::string_view name) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || trimmed(line.substr(0, colon)) != name) {
    return std::nullopt;
  }
  return trimmed(line.substr(colon + 1));
}

std::map<int, Design> parse_designs(const std::string& cpuinfo) {
  std::map<int, Design> designs;
  std::istringstream lines(cpuinfo);
  int processor = -1;
  for (std::string line; std::getline(lines, line);) {
    const auto hexadecimal = [&](std::string_view name) -> std::optional<int> {
      const auto text = field(line, name);
      if (!text || !text->starts_with("0x")) return std::nullopt;
      return parse_integer(text->substr(2), 16);
    };
    if (const auto number = field(line, "processor")) {
      processor = parse_integer(*number).value_or(-1);
    } else if (const auto implementer = hexadecimal("CPU implementer")) {
      designs[processor].implementer = *implementer;
    } else if (const auto part = hexadecimal("CPU part")) {
      designs[processor].part = *part;
    }
  }
  return designs;
}

bool is_small(const Design& design) {
  return std::ranges::find(kSmallDesigns, std::pair(design.implementer, design.part)) !=
         std::end(kSmallDesigns);
}

// One a physical core, by its first thread.
std::vector<Core> read_cores(const std::string& root, const ProcessorList& online) {
  const auto designs = parse_designs(read_text_file(root + "/proc/cpuinfo"));
  const ProcessorList atoms =
      parse_processor_list(read_text_file(root + "/sys/devices/cpu_atom/cpus"));
  std::set<int> seen;
  std::vector<Core> cores;
  for (const int processor : online) {
    if (seen.contains(processor)) continue;
    const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(processor);
    Core core;
    core.threads = parse_processor_list(read_text_file(folder + "/topology/thread_siblings_list"));
    std::erase_if(core.threads,
                  [&](int thread) { return !std::ranges::binary_search(online, thread); });
    if (!std::ranges::binary_search(core.threads, processor)) core.threads = {processor};
    seen.insert(core.threads.begin(), core.threads.end());
    core.capacity = read_speed(folder + "/cpu_capacity");
    core.clock = read_speed(folder + "/cpufreq/cpuinfo_max_freq");
    const auto design = designs.find(processor);
    core.small = std::ranges::binary_search(atoms, processor) ||
                 (design != designs.end() && is_small(design->second));
    cores.push_back(std::move(core));
  }
  return cores;
}

// Marks what is slower than the fastest: by capacities where those tell cores apart, by clocks
// otherwise.
void mark_by_speed(std::vector<Core>& cores) {
  const auto mark = [&](std::optional<double> Core::*speed, double share) {
    double fastest = 0;
    for (const Core& core : cores) fastest = std::max(fastest, *(core.*speed));
    for (Core& core : cores) core.small = core.small || *(core.*speed) < share * fastest;
  };
  const auto all_have = [&](std::optional<double> Core::*speed) {
    return std::ranges::all_of(cores, [&](const Core& core) { return (core.*speed).has_value(); });
  };
  if (cores.empty()) return;
  const bool apart = std::ranges::any_of(
      cores, [&](const Core& core) { return core.capacity != cores.front().capacity; });
  if (apart && all_have(&Core::capacity)) {
    mark(&Core::capacity, kSlowCapacityShare);
  } else if (all_have(&Core::clock)) {
    mark(&Core::clock, kSlowClockShare);
  }
}

ProcessorList read_allowed(const std::string& root) {
  if (root.empty()) return allowed_processor_list();
  std::istringstream lines(read_text_file(root + "/proc/self/status"));
  for (std::string line; std::getline(lines, line);) {
    if (const auto list = field(line, "Cpus_allowed_list")) return parse_processor_list(*list);
  }
  return {};
}

#if defined(__APPLE__)
std::optional<int> read_sysctl(const char* name) {
  int value = 0;
  std::size_t size = sizeof(value);
  if (sysctlbyname(name, &value, &size, nullptr, 0) != 0 || value < 1) return std::nullopt;
  return value;
}
#endif

}  // namespace

Processors read_processors(const std::string& root) {
  Processors processors;
  processors.allowed = read_allowed(root);
  ProcessorList online =
      parse_processor_list(read_text_file(root + "/sys/devices/system/cpu/online"));
  if (online.empty()) online = processors.allowed;
  if (processors.allowed.empty()) processors.allowed = online;

  std::vector<Core> cores = read_cores(root, online);
  mark_by_speed(cores);
  // A chip of small cores alone has no faster ones to compare with.
  const bool uniform = std::ranges::all_of(cores, [](const Core& core) { return core.small; }) ||
                       std::ranges::none_of(cores, [](const Core& core) { return core.small; });
  processors.mixed = !uniform;

  const auto take = [&](bool slow_ones) {
    int count = 0;
    for (const Core& core : cores) {
      if (core.small && !uniform && !slow_ones) continue;
      const std::size_t before = processors.fast.size();
      std::ranges::copy_if(core.threads, std::back_inserter(processors.fast), [&](int thread) {
        return std::ranges::binary_search(processors.allowed, thread);
      });
      if (processors.fast.size() > before) ++count;
    }
    return count;
  };
  int fast_cores = take(false);
  // A process in the background may be confined to the small cores.
  if (fast_cores == 0) fast_cores = take(true);
  std::ranges::sort(processors.fast);
  processors.fast_cores = fast_cores;
  if (fast_cores == 0) {
    // Another system than Linux: numbers alone.
    processors.fast_cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
#if defined(__APPLE__)
    // Performance cores come first where there are two kinds.
    if (const auto fast = read_sysctl("hw.perflevel0.physicalcpu")) {
      processors.fast_cores = *fast;
      processors.mixed = read_sysctl("hw.nperflevels").value_or(1) > 1;
    }
#endif
  }
  return processors;
}

ProcessorList allowed_processor_list() {
  ProcessorList allowed;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) allowed.push_back(i);
    }
  }
#endif
  return allowed;
}

ProcessorList parse_processor_list(std::string_view text) {
  std::set<int> numbers;
  for (std::string_view rest = trimmed(text); !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = parse_integer(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_integer(part.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostProcessors) return {};
    for (int number = *first; number <= *last; ++number) numbers.insert(number);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {numbers.begin(), numbers.end()};
}

std::string format_processor_list(const ProcessorList& list) {
  std::string text;
  for (std::size_t i = 0; i < list.size();) {
    std::size_t end = i + 1;
    while (end < list.size() && list[end] == list[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(list[i]);
    if (end - i > 1) text.append(1, '-').append(std::to_string(list[end - 1]));
    i = end;
  }
  return text;
}

}  // namespace mobillm::llamacpp
