#include "mobillm/log_sinks.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

namespace mobillm {

namespace {

constexpr int kNobody = static_cast<int>(LogLevel::kError) + 1;

struct Sinks {
  std::mutex mutex;
  std::map<std::uint64_t, std::pair<LogLevel, LogSink>> by_id;
  std::uint64_t last_id = 0;
  // The least level that anybody listens to, so that the rest costs one load and no formatting.
  std::atomic<int> least{kNobody};
};

// Never destroyed: a thread of a library's own may still log while the process ends.
Sinks& sinks() {
  static auto* instance = new Sinks();
  return *instance;
}

void update_least(Sinks& all) {
  int least = kNobody;
  for (const auto& [id, sink] : all.by_id) least = std::min(least, static_cast<int>(sink.first));
  all.least = least;
}

}  // namespace

std::uint64_t add_log_sink(LogLevel least, LogSink sink) {
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  all.by_id.emplace(++all.last_id, std::make_pair(least, std::move(sink)));
  update_least(all);
  return all.last_id;
}

void remove_log_sink(std::uint64_t id) {
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  all.by_id.erase(id);
  update_least(all);
}

bool is_log_heard(LogLevel level) {
  return static_cast<int>(level) >= sinks().least.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \r\n");
  if (first == std::string::npos || !is_log_heard(level)) return;
  const std::string line = text.substr(first, text.find_last_not_of(" \r\n") - first + 1);
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  for (const auto& [id, sink] : all.by_id) {
    if (level >= sink.first) sink.second(level, line);
  }
}

}  // namespace mobillm
