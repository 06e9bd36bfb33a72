#include "model_handle.hpp"

#include <utility>

#include "codes.hpp"
#include "library_handle.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "model_sequence.hpp"
#include "options.hpp"

namespace mobillm::qnn {

namespace {

Napi::Object facts_object(Napi::Env env, const Model& model) {
  const OpenOptions& options = model.options();
  const double row = options.shape.kv_heads * options.shape.head_length * sizeof(std::uint16_t);
  Napi::Object result = Napi::Object::New(env);
  result.Set("target", target_object(env, model.target()));
  result.Set("kvBytes", 2.0 * options.shape.layers * options.context_tokens * row);
  result.Set("bufferBytes", static_cast<double>(model.buffer_bytes()));
  return result;
}

}  // namespace

void ModelHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Model", DefineClass(env, "Model",
                                   {method<&ModelHandle::load>("load"),
                                    method<&ModelHandle::abort_load>("abortLoad"),
                                    method<&ModelHandle::create_sequence>("createSequence"),
                                    method<&ModelHandle::close>("close")}));
}

ModelHandle::ModelHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    Libraries libraries = LibraryHandle::libraries_of(info[0], "library");
    OpenOptions options = read_open_options(info[1]);
    const OptionReader reader(info[1], "");
    if (reader.has("onProgress")) {
      progress_->callback = environment_->keep(reader.function("onProgress"));
      options.on_progress = [progress = progress_, environment = environment_,
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
    model_ = std::make_shared<Model>(std::move(libraries), std::move(options));
    environment_->add(this);
  });
}

// Collected without having been closed: the thread is stopped first, so that no job can be the last
// to hold the model and free it, and its own thread with it, from that thread.
ModelHandle::~ModelHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void ModelHandle::stop_now() noexcept {
  environment_ = nullptr;
  if (model_ == nullptr) return;
  model_->abort_all();
  model_->worker().stop();
}

Napi::Value ModelHandle::load(const Info& info) {
  require_open("The model");
  if (std::exchange(load_asked_, true)) {
    throw Error(code::kBusy, "The model is loaded already, or being loaded. Load it once.");
  }
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_] {
        model->load();
        return 0;
      },
      [this](Napi::Env env, int) {
        loaded_ = true;
        JsEnvironment::of(env).drop(progress_->callback);
        return facts_object(env, *model_);
      });
}

Napi::Value ModelHandle::abort_load(const Info& info) {
  model_->abort_all();
  return info.Env().Undefined();
}

Napi::Value ModelHandle::create_sequence(const Info& info) {
  require_open("The model");
  if (!loaded_) throw Error(code::kClosed, "The model is not loaded yet.");
  return SequenceHandle::create(environment(info), info.Env(),
                                std::make_shared<ModelSequence>(model_),
                                info.This().As<Napi::Object>());
}

Napi::Value ModelHandle::close(const Info& info) {
  mark_closed();
  model_->abort_all();
  environment(info).drop(progress_->callback);
  // Behind every step that is posted: those end by the flag, each in its turn.
  return environment(info).run(
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

}  // namespace mobillm::qnn
