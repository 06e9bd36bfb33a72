// Who hears what a library logs: one list a process and addon, shared by every model and thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace mobillm {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A receiver of log lines, without the line's end. Called on whichever thread logs, so it must be
// quick and must not call the library.
using LogSink = std::function<void(LogLevel, const std::string&)>;

// Adds a receiver of lines of at least `least`; returns a number to remove it by, never 0.
std::uint64_t add_log_sink(LogLevel least, LogSink sink);

// Removes a receiver; it is not called after this returns.
void remove_log_sink(std::uint64_t id);

// Whether anybody listens to that level: one load, to be asked before a line is formatted.
bool is_log_heard(LogLevel level);

// Gives a line to all that listen to its level, without the spaces and line ends around it. Lines
// of nothing else are left out.
void log_line(LogLevel level, const std::string& text);

}  // namespace mobillm
