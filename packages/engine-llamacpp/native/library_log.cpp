#include "library_log.hpp"

#include <llama.h>

#include <mutex>

namespace mobillm::llamacpp {

namespace {

constexpr std::size_t kCaptureBytes = 256 * 1024;

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
    // A line a node of a graph, which would push out what was asked for.
    const bool tells = level != GGML_LOG_LEVEL_DEBUG || capture->wants(text);
    if (tells && capture->text_.size() < kCaptureBytes) capture->text_ += text;
    if (level == GGML_LOG_LEVEL_ERROR) {
      std::string line = without_line_end(text);
      const std::size_t name_end = line.find(": ");
      capture->last_error_ = name_end == std::string::npos ? line : line.substr(name_end + 2);
    }
  }
  const LogLevel line_level = level_of(level);
  if (is_log_heard(line_level)) log_line(line_level, text);
}

void install_library_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set([](ggml_log_level level, const char* text,
                     void* data) { receive_library_log(static_cast<int>(level), text, data); },
                  nullptr);
  });
}

LogCapture::LogCapture(std::string_view debug_lines)
    : outer_(innermost_capture), debug_lines_(debug_lines) {
  innermost_capture = this;
}

bool LogCapture::wants(std::string_view debug_line) const {
  return !debug_lines_.empty() && debug_line.starts_with(debug_lines_);
}

LogCapture::~LogCapture() { innermost_capture = outer_; }

}  // namespace mobillm::llamacpp
