// Time that processors spent on this process.
#pragma once

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <ctime>
#endif

namespace mobillm::llamacpp {

// Of all its threads together, in seconds; meaningful as a difference. Unlike the clock on the wall
// it does not count what other processes take.
inline double process_cpu_seconds() {
#ifdef _WIN32
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return 0;
  const auto seconds = [](const FILETIME& time) {
    return (static_cast<double>(time.dwHighDateTime) * 4294967296.0 +
            static_cast<double>(time.dwLowDateTime)) *
           1e-7;
  };
  return seconds(kernel) + seconds(user);
#else
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
#endif
}

}  // namespace mobillm::llamacpp
