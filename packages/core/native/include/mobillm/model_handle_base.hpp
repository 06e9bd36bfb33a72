// What the JavaScript faces of models share: progress while loading, and the end of the model's
// thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "mobillm/handle.hpp"
#include "mobillm/option_reader.hpp"

namespace mobillm {

// `Model` has `worker()`, the thread that all its work is done on; `abort_all()`, after which what
// runs and what is posted ends soon; and `free()`, for that thread.
template <typename Self, typename Model>
class ModelHandleBase : public Handle<Self>, public Stoppable {
 public:
  explicit ModelHandleBase(const Napi::CallbackInfo& info)
      : Handle<Self>(info), environment_(&JsEnvironment::of(info.Env())) {}

  // Collected without having been closed: the thread is stopped first, so that no job can be the
  // last to hold the model and free it, and its own thread with it, from that thread.
  ~ModelHandleBase() override {
    if (environment_ == nullptr) return;
    environment_->remove(this);
    stop_now();
  }

  void stop_now() noexcept override {
    environment_ = nullptr;
    if (model_ == nullptr) return;
    model_->abort_all();
    model_->worker().stop();
  }

 protected:
  using Info = Napi::CallbackInfo;

  // Takes the model over; to be called at the end of the constructor.
  void adopt(std::shared_ptr<Model> model) {
    model_ = std::move(model);
    environment_->add(this);
  }

  // What tells JavaScript's `onProgress` the loaded share, at most once a wake-up and from any
  // thread; empty where there is no such option.
  std::function<void(float)> progress_from(const OptionReader& options) {
    if (!options.has("onProgress")) return nullptr;
    progress_->callback = environment_->keep(options.function("onProgress"));
    return [progress = progress_, environment = environment_,
            queue = environment_->queue()](float share) {
      progress->share = share;
      if (progress->posted.exchange(true)) return;
      queue->post([progress, environment](Napi::Env env) {
        progress->posted = false;
        if (auto* callback = environment->kept(progress->callback)) {
          callback->Call({Napi::Number::New(env, progress->share.load())});
        }
      });
    };
  }

  // To be called when the model is loaded: there is no more progress to tell.
  void mark_loaded(Napi::Env env) {
    loaded_ = true;
    JsEnvironment::of(env).drop(progress_->callback);
  }

  void require_loaded() const {
    this->require_open("The model");
    if (!loaded_) throw Error(code::kClosed, "The model is not loaded yet.");
  }

  const std::shared_ptr<Model>& model() const { return model_; }

  Napi::Value stop_loading(const Info& info) {
    model_->abort_all();
    return info.Env().Undefined();
  }

  // Frees the model behind every step that is posted: those end by the flag, each in its turn.
  Napi::Value free_model(const Info& info) {
    this->mark_closed();
    model_->abort_all();
    JsEnvironment& environment = this->environment(info);
    environment.drop(progress_->callback);
    return environment.run(
        model_->worker(), info.This().As<Napi::Object>(),
        [model = model_] {
          model->free();
          return 0;
        },
        [this](Napi::Env env, int) {
          model_->worker().stop();
          return env.Undefined();
        });
  }

 private:
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

}  // namespace mobillm
