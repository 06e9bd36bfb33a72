// Takes QNN's log, which every library, model and thread shares, to those who listen.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <memory>
#include <string>

#include "mobillm/log_sinks.hpp"

namespace mobillm::qnn {

// What QNN calls: a printf format and its arguments, with no data of ours beside them. Nothing is
// printed, whoever listens or not.
void receive_library_log(const char* format, std::uint32_t level, std::uint64_t timestamp,
                         std::va_list arguments);

// QNN's number of the least level that anybody listens to now; 1, errors, when nobody does.
std::uint32_t wanted_log_level();

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
