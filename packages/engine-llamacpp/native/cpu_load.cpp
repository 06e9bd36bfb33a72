#include "cpu_load.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sys/resource.h>
#include <unistd.h>

#include "system_memory.hpp"
#include "text_file.hpp"
#endif

#include "processors.hpp"

namespace mobillm::llamacpp {

namespace {

#if defined(__linux__)
double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<double> cgroup_processors() {
  const std::string self = read_text_file("/proc/self/cgroup");
  std::string path(parse_cgroup_path(self));
  std::optional<double> least;
  for (;;) {
    if (const auto limit = parse_cpu_max(read_text_file("/sys/fs/cgroup" + path + "/cpu.max"))) {
      least = std::min(least.value_or(*limit), *limit);
    }
    if (path.empty() || path == "/") return least;
    path.resize(path.find_last_of('/'));
  }
}
#endif

}  // namespace

int allowed_processors() {
#if defined(__linux__)
  int allowed = static_cast<int>(allowed_processor_list().size());
  if (allowed == 0) allowed = static_cast<int>(std::thread::hardware_concurrency());
  if (const auto quota = cgroup_processors()) {
    allowed = std::min(allowed, static_cast<int>(std::ceil(*quota)));
  }
#else
  const int allowed = static_cast<int>(std::thread::hardware_concurrency());
#endif
  return std::max(1, allowed);
}

std::optional<double> parse_busy_ticks(std::string_view proc_stat,
                                       const std::vector<int>& processors) {
  double busy = 0;
  for (const int processor : processors) {
    const std::string name = "\ncpu" + std::to_string(processor) + ' ';
    const std::size_t found = proc_stat.find(name);
    if (found == std::string_view::npos) return std::nullopt;
    const std::size_t start = found + name.size();
    const std::size_t end = std::min(proc_stat.find('\n', start), proc_stat.size());
    std::istringstream fields{std::string(proc_stat.substr(start, end - start))};
    // user nice system idle iowait irq softirq steal; guest times are part of user already. Stolen
    // time counts as busy: it is not ours to use either.
    double ticks = 0;
    for (int column = 0; column < 8 && fields >> ticks; ++column) {
      if (column != 3 && column != 4) busy += ticks;
    }
  }
  return busy;
}

std::optional<double> parse_cpu_max(std::string_view cpu_max) {
  std::istringstream fields{std::string(cpu_max)};
  double quota = 0;
  double period = 0;
  if (!(fields >> quota >> period) || period <= 0) return std::nullopt;
  return quota / period;
}

int choose_threads(int allowed, int fast, double busy_processors_of_others) {
  const double free = static_cast<double>(allowed) - std::max(0.0, busy_processors_of_others);
  return std::clamp(static_cast<int>(std::floor(free + 0.25)), 1, std::max(1, fast));
}

CpuLoadProbe::CpuLoadProbe() : start_(read()) {}

std::optional<CpuLoadProbe::Reading> CpuLoadProbe::read() {
#if defined(__linux__)
  const auto ticks = parse_busy_ticks(read_text_file("/proc/stat"), allowed_processor_list());
  if (!ticks) return std::nullopt;
  return Reading{std::chrono::steady_clock::now(),
                 *ticks / static_cast<double>(sysconf(_SC_CLK_TCK)), own_cpu_seconds()};
#else
  return std::nullopt;
#endif
}

int CpuLoadProbe::free_threads(int fast) const {
  const int allowed = allowed_processors();
  const auto others = busy_processors_of_others();
  return others ? choose_threads(allowed, fast, *others) : std::clamp(fast, 1, allowed);
}

std::optional<double> CpuLoadProbe::busy_processors_of_others() const {
  const auto end = read();
  if (!start_ || !end) return std::nullopt;
  const double seconds = std::chrono::duration<double>(end->at - start_->at).count();
  // A clock tick is 10 ms: over less than a few of them the reading says nothing.
  if (seconds < 0.03) return std::nullopt;
  return ((end->busy_seconds - start_->busy_seconds) -
          (end->own_busy_seconds - start_->own_busy_seconds)) /
         seconds;
}

}  // namespace mobillm::llamacpp
