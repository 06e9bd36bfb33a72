// The JavaScript face of a compilation.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "compilation.hpp"
#include "gguf_weights.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/serial_worker.hpp"

namespace mobillm::qnn {

// new Compilation(library, options); `run()` once; `abort()` ends it; `close()` waits for its
// thread.
class CompilationHandle : public Handle<CompilationHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit CompilationHandle(const Napi::CallbackInfo& info);
  ~CompilationHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value run(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value close(const Info& info);

  // What is being done, told to JavaScript at most once a wake-up.
  struct Progress {
    std::mutex mutex;
    std::string step;
    float share = 0;
    bool posted = false;
    JsEnvironment::Ticket callback = 0;
  };

  JsEnvironment* environment_;  // null after `stop_now`
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  Libraries libraries_;
  std::string source_;
  CompileOptions options_;
  GgufTensors tensors_;
  SerialWorker worker_;
};

}  // namespace mobillm::qnn
