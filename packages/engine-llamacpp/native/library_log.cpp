#include "library_log.hpp"

#include <llama.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>

namespace mobillm::llamacpp {

namespace {

constexpr std::size_t kCaptureBytes = 256 * 1024;

struct Sinks {
  std::mutex mutex;
  std::map<std::uint64_t, std::pair<LogLevel, LogSink>> by_id;
  std::uint64_t last_id = 0;
  // Lets the usual case, that nobody listens, cost one load.
  std::atomic<bool> any{false};
};

// Never destroyed: a thread may still log while the process ends.
Sinks& sinks() {
  static auto* instance = new Sinks();
  return *instance;
}

thread_local LogCapture* innermost_capture = nullptr;

LogLevel level_of(int level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return LogLevel::kError;
    case GGML_LOG_LEVEL_WARN:
      return LogLevel::kWarn;
    case GGML_LOG_LEVEL_INFO:
      return LogLevel::kInfo;
    default:
      return LogLevel::kDebug;
  }
}

std::string without_line_end(const char* text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return line;
}

}  // namespace

void receive_library_log(int level, const char* text, void*) {
  // Continuations are dots of progress; progress comes by a callback of its own.
  if (level == GGML_LOG_LEVEL_CONT) return;
  if (LogCapture* capture = innermost_capture) {
    if (capture->text_.size() < kCaptureBytes) capture->text_ += text;
    if (level == GGML_LOG_LEVEL_ERROR) {
      std::string line = without_line_end(text);
      const std::size_t name_end = line.find(": ");
      capture->last_error_ = name_end == std::string::npos ? line : line.substr(name_end + 2);
    }
  }
  Sinks& all = sinks();
  if (!all.any.load(std::memory_order_relaxed)) return;
  const std::string line = without_line_end(text);
  if (line.empty()) return;
  const LogLevel line_level = level_of(level);
  const std::lock_guard lock(all.mutex);
  for (const auto& [id, sink] : all.by_id) {
    if (line_level >= sink.first) sink.second(line_level, line);
  }
}

void install_library_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set([](ggml_log_level level, const char* text,
                     void* data) { receive_library_log(static_cast<int>(level), text, data); },
                  nullptr);
  });
}

std::uint64_t add_log_sink(LogLevel least, LogSink sink) {
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  all.by_id.emplace(++all.last_id, std::make_pair(least, std::move(sink)));
  all.any = true;
  return all.last_id;
}

void remove_log_sink(std::uint64_t id) {
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  all.by_id.erase(id);
  all.any = !all.by_id.empty();
}

LogCapture::LogCapture() : outer_(innermost_capture) { innermost_capture = this; }

LogCapture::~LogCapture() { innermost_capture = outer_; }

}  // namespace mobillm::llamacpp
