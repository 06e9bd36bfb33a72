// Where llama.cpp's log goes. The library has one log a process, shared by every model and thread.
#pragma once

#include <string>
#include <string_view>

#include "mobillm/log_sinks.hpp"

namespace mobillm::llamacpp {

// Takes over the library's log, which it otherwise writes to stderr. Nobody hears it until a sink
// is added. May be called more than once.
void install_library_log();

// Collects what the library logs on this thread, but for debugging, while it lives: some facts
// (buffer sizes, why a load failed) come out of the library no other way. At most 256 KiB are kept.
class LogCapture {
 public:
  // Of the lines for debugging, only those that begin with `debug_lines`: a constant.
  explicit LogCapture(std::string_view debug_lines = {});
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture();

  const std::string& text() const { return text_; }
  // The last line logged as an error, without the function's name before it; empty when none was.
  const std::string& last_error() const { return last_error_; }

 private:
  friend void receive_library_log(int level, const char* text, void* data);

  bool wants(std::string_view debug_line) const;

  LogCapture* outer_;
  std::string_view debug_lines_;
  std::string text_;
  std::string last_error_;
};

}  // namespace mobillm::llamacpp
