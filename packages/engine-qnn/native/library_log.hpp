// Where QNN's log goes: one sink list a process, shared by every library, model and thread.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace mobillm::qnn {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A receiver of log lines, without the line's end. Called on whichever thread logs, so it must be
// quick and must not call the library.
using LogSink = std::function<void(LogLevel, const std::string&)>;

// Adds a receiver of lines of at least `least`; returns a number to remove it by.
std::uint64_t add_log_sink(LogLevel least, LogSink sink);

// Removes a receiver; it is not called after this returns.
void remove_log_sink(std::uint64_t id);

// What QNN calls: a printf format and its arguments, with no data of ours beside them. Nothing is
// printed, whoever listens or not.
void receive_library_log(const char* format, std::uint32_t level, std::uint64_t timestamp,
                         std::va_list arguments);

// QNN's number of the least level that anybody listens to now; 1, errors, when nobody does.
std::uint32_t wanted_log_level();

// Adds a line that came another way.
void log_line(LogLevel level, const std::string& text);

// Collects what the library logs as errors on any thread while it lives: the reason of a failure
// comes out of QNN no other way. At most 16 KiB are kept.
class LogCapture {
 public:
  LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture();

  // The lines of errors, joined by "; "; empty when there were none.
  std::string errors() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::uint64_t sink_;
};

// Keeps what a library prints through C's stdout while it lives away from the user's: the emulator
// prints a line when it is loaded. It goes to the log as debug instead. Only where the C library
// lets stdout be exchanged (glibc); elsewhere it does nothing, and the emulator does not exist.
class StdoutCapture {
 public:
  StdoutCapture();
  StdoutCapture(const StdoutCapture&) = delete;
  StdoutCapture& operator=(const StdoutCapture&) = delete;
  ~StdoutCapture();

 private:
  void* former_ = nullptr;
};

}  // namespace mobillm::qnn
