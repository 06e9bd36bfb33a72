// The JavaScript face of a receiver of log lines.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "mobillm/handle.hpp"
#include "mobillm/log_sinks.hpp"

namespace mobillm {

// new LogSink(level, (level, text) => …): lines of at least that level, in order, until `close`.
class LogSinkHandle : public Handle<LogSinkHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit LogSinkHandle(const Napi::CallbackInfo& info);
  ~LogSinkHandle() override;

  void stop_now() noexcept override;

 private:
  // Lines on their way. Bounded: a library that logs faster than JavaScript reads loses lines, and
  // how many is told.
  struct Buffer {
    std::mutex mutex;
    std::deque<std::pair<LogLevel, std::string>> lines;
    std::size_t lost = 0;
    bool posted = false;
    JsEnvironment::Ticket callback = 0;
  };

  Napi::Value close(const Info& info);
  static void deliver(Napi::Env env, JsEnvironment& environment, Buffer& buffer);

  JsEnvironment* environment_;  // null after `stop_now`
  std::shared_ptr<Buffer> buffer_ = std::make_shared<Buffer>();
  std::uint64_t sink_ = 0;
};

}  // namespace mobillm
