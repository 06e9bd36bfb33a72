#include "mobillm/log_sink_handle.hpp"

#include "mobillm/option_reader.hpp"

namespace mobillm {

namespace {

constexpr std::size_t kMostLines = 1024;

constexpr std::pair<const char*, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                        {"info", LogLevel::kInfo},
                                                        {"warn", LogLevel::kWarn},
                                                        {"error", LogLevel::kError}};

LogLevel read_level(Napi::Value value) {
  const std::string word = read_string(value, "level");
  for (const auto& [name, level] : kLevels) {
    if (word == name) return level;
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, "level",
                        "must be one of debug, info, warn, error");
}

const char* level_word(LogLevel wanted) {
  for (const auto& [name, level] : kLevels) {
    if (level == wanted) return name;
  }
  return "info";
}

}  // namespace

void LogSinkHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("LogSink", DefineClass(env, "LogSink", {method<&LogSinkHandle::close>("close")}));
}

LogSinkHandle::LogSinkHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    const LogLevel least = read_level(info[0]);
    if (!info[1].IsFunction()) throw_wrong_type("log", "a function", info[1]);
    buffer_->callback = environment_->keep(info[1].As<Napi::Function>());
    sink_ = add_log_sink(
        least, [buffer = buffer_, environment = environment_, queue = environment_->queue()](
                   LogLevel level, const std::string& text) {
          const std::lock_guard lock(buffer->mutex);
          if (buffer->lines.size() >= kMostLines) {
            ++buffer->lost;
          } else {
            buffer->lines.emplace_back(level, text);
          }
          if (buffer->posted) return;
          buffer->posted = queue->post(
              [buffer, environment](Napi::Env env) { deliver(env, *environment, *buffer); });
        });
    environment_->add(this);
  });
}

LogSinkHandle::~LogSinkHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void LogSinkHandle::stop_now() noexcept {
  environment_ = nullptr;
  if (sink_ != 0) remove_log_sink(sink_);
  sink_ = 0;
}

void LogSinkHandle::deliver(Napi::Env env, JsEnvironment& environment, Buffer& buffer) {
  std::deque<std::pair<LogLevel, std::string>> lines;
  std::size_t lost = 0;
  {
    const std::lock_guard lock(buffer.mutex);
    lines.swap(buffer.lines);
    std::swap(lost, buffer.lost);
    buffer.posted = false;
  }
  if (lost > 0) {
    lines.emplace_back(LogLevel::kWarn, std::to_string(lost) + " more lines were lost");
  }
  for (const auto& [level, text] : lines) {
    auto* callback = environment.kept(buffer.callback);
    if (callback == nullptr) return;
    callback->Call({Napi::String::New(env, level_word(level)), Napi::String::New(env, text)});
  }
}

Napi::Value LogSinkHandle::close(const Info& info) {
  if (mark_closed() && environment_ != nullptr) {
    remove_log_sink(sink_);
    sink_ = 0;
    // The function stays until what was logged before has been delivered.
    environment_->queue()->post([environment = environment_, buffer = buffer_](Napi::Env) {
      environment->drop(buffer->callback);
    });
  }
  return info.Env().Undefined();
}

}  // namespace mobillm
