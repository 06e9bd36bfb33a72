#include "library_log.hpp"

#include <array>
#include <cstdio>
#include <mutex>
#include <vector>

namespace mobillm::qnn {

namespace {

constexpr std::size_t kCaptureBytes = 16 * 1024;

LogLevel level_of(std::uint32_t level) {
  switch (level) {
    case 1:
      return LogLevel::kError;
    case 2:
      return LogLevel::kWarn;
    case 3:
      return LogLevel::kInfo;
    default:
      return LogLevel::kDebug;
  }
}

std::string format_line(const char* format, std::va_list arguments) {
  std::array<char, 512> small;
  std::va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(small.data(), small.size(), format, arguments);
  std::string line;
  if (length >= 0 && static_cast<std::size_t>(length) < small.size()) {
    line.assign(small.data(), static_cast<std::size_t>(length));
  } else if (length >= 0) {
    std::vector<char> large(static_cast<std::size_t>(length) + 1);
    std::vsnprintf(large.data(), large.size(), format, again);
    line.assign(large.data(), static_cast<std::size_t>(length));
  }
  va_end(again);
  return line;
}

}  // namespace

void receive_library_log(const char* format, std::uint32_t level, std::uint64_t,
                         std::va_list arguments) {
  const LogLevel line_level = level_of(level);
  if (format == nullptr || !is_log_heard(line_level)) return;
  log_line(line_level, format_line(format, arguments));
}

std::uint32_t wanted_log_level() {
  if (is_log_heard(LogLevel::kDebug)) return 5;
  if (is_log_heard(LogLevel::kInfo)) return 3;
  return is_log_heard(LogLevel::kWarn) ? 2 : 1;
}

struct LogCapture::State {
  std::mutex mutex;
  std::string text;
};

LogCapture::LogCapture() : state_(std::make_shared<State>()) {
  sink_ = add_log_sink(LogLevel::kError, [state = state_](LogLevel, const std::string& line) {
    const std::lock_guard lock(state->mutex);
    if (state->text.size() + line.size() > kCaptureBytes) return;
    if (!state->text.empty()) state->text += "; ";
    state->text += line;
  });
}

LogCapture::~LogCapture() { remove_log_sink(sink_); }

std::string LogCapture::errors() const {
  const std::lock_guard lock(state_->mutex);
  return state_->text;
}

#if defined(__GLIBC__)

namespace {

ssize_t write_to_log(void*, const char* text, size_t length) {
  log_line(LogLevel::kDebug, std::string(text, length));
  return static_cast<ssize_t>(length);
}

// Never closed: another thread may have taken hold of it while it stood in for stdout.
std::FILE* log_stream() {
  static std::FILE* const stream = [] {
    cookie_io_functions_t functions{};
    functions.write = write_to_log;
    std::FILE* made = fopencookie(nullptr, "w", functions);
    if (made != nullptr) std::setvbuf(made, nullptr, _IOLBF, BUFSIZ);
    return made;
  }();
  return stream;
}

// Two at once would restore each other's stream.
std::mutex& stdout_mutex() {
  static auto* instance = new std::mutex();
  return *instance;
}

}  // namespace

StdoutCapture::StdoutCapture() {
  stdout_mutex().lock();
  if (std::FILE* stream = log_stream()) {
    former_ = stdout;
    stdout = stream;
  }
}

StdoutCapture::~StdoutCapture() {
  if (former_ != nullptr) {
    std::fflush(stdout);
    stdout = static_cast<std::FILE*>(former_);
  }
  stdout_mutex().unlock();
}

#else

StdoutCapture::StdoutCapture() = default;
StdoutCapture::~StdoutCapture() = default;

#endif

}  // namespace mobillm::qnn
