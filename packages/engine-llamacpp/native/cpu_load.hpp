// How many threads are free. Threads beyond that do not slow decoding a little: every step waits
// for its slowest thread, so one thread without a processor of its own costs an order of magnitude.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace mobillm::llamacpp {

// Processors that this process may use at once: its affinity, held to the cgroup's quota. At
// least 1.
int allowed_processors();

// Measures, from its making to `free_threads`, how busy others keep this process's processors.
class CpuLoadProbe {
 public:
  CpuLoadProbe();

  // Threads to decode with: as many as the processors that were idle meanwhile, rounded down with a
  // quarter's grace, never more than `fast`, the fast cores, and never less than 1. Where the load
  // cannot be read (Android), as many as the fast cores.
  int free_threads(int fast) const;

  // Processors that others kept busy meanwhile, on average. Empty where the load cannot be read, or
  // too little time has passed to tell.
  std::optional<double> busy_processors_of_others() const;

 private:
  struct Reading {
    std::chrono::steady_clock::time_point at;
    double busy_seconds;      // of all allowed processors, by everyone
    double own_busy_seconds;  // of that, by this process
  };
  static std::optional<Reading> read();

  std::optional<Reading> start_;
};

// Threads for a measured load, as described at `free_threads`.
int choose_threads(int allowed, int fast, double busy_processors_of_others);

// Clock ticks that were not idle, summed over the given processors, in the text of /proc/stat;
// empty when one of them is not there.
std::optional<double> parse_busy_ticks(std::string_view proc_stat,
                                       const std::vector<int>& processors);

// Processors that `cpu.max` of a cgroup allows (`200000 100000` is 2); empty for `max`.
std::optional<double> parse_cpu_max(std::string_view cpu_max);

}  // namespace mobillm::llamacpp
