// The JavaScript face of a model file that is written anew.
#pragma once

#include <atomic>
#include <memory>

#include "mobillm/abort_flag.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/serial_worker.hpp"
#include "optimize/requantized_file.hpp"

namespace mobillm::llamacpp {

// new RequantizedFile(options); `write()` once, then `commit()`. `close()` ends what runs and
// deletes what was neither committed nor released; so does the end of the environment.
class RequantizedFileHandle : public Handle<RequantizedFileHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit RequantizedFileHandle(const Napi::CallbackInfo& info);
  ~RequantizedFileHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value prepare(const Info& info);
  Napi::Value write(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value written_share(const Info& info);
  Napi::Value commit(const Info& info);
  Napi::Value release(const Info& info);
  Napi::Value close(const Info& info);

  JsEnvironment* environment_;  // null after `stop_now`
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  std::shared_ptr<std::atomic<float>> written_ = std::make_shared<std::atomic<float>>(0.0F);
  std::shared_ptr<RequantizedFile> file_;
  SerialWorker worker_;
};

}  // namespace mobillm::llamacpp
