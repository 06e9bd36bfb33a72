// The JavaScript face of a model.
#pragma once

#include <atomic>
#include <memory>

#include "mobillm/handle.hpp"
#include "model.hpp"

namespace mobillm::mlc {

// new Model(options) makes it; `loadLibrary()`, then `loadWeights(options)` load it. Every method
// is for the JavaScript thread.
class ModelHandle : public Handle<ModelHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit ModelHandle(const Napi::CallbackInfo& info);
  ~ModelHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value load_library(const Info& info);
  Napi::Value load_weights(const Info& info);
  Napi::Value abort_load(const Info& info);
  Napi::Value create_sequence(const Info& info);
  Napi::Value adjust(const Info& info);
  Napi::Value threads(const Info& info);
  Napi::Value close(const Info& info);

  void require_loaded() const;

  // Loading's share, told to JavaScript at most once a wake-up.
  struct Progress {
    std::atomic<float> share{0};
    std::atomic<bool> posted{false};
    JsEnvironment::Ticket callback = 0;
  };

  JsEnvironment* environment_;  // null after `stop_now`
  std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  bool loaded_ = false;
  std::shared_ptr<Model> model_;
};

}  // namespace mobillm::mlc
