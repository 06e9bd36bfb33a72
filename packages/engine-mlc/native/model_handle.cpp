#include "model_handle.hpp"

#include <string>
#include <utility>

#include "mlc_sequence.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "option_structs.hpp"
#include "processors.hpp"

namespace mobillm::mlc {

namespace {

const char* dtype_word(KvDtype dtype) {
  switch (dtype) {
    case KvDtype::kF16:
      return "f16";
    case KvDtype::kBf16:
      return "bf16";
    case KvDtype::kF32:
      return "f32";
  }
  return "";
}

}  // namespace

void ModelHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Model", DefineClass(env, "Model",
                                   {method<&ModelHandle::load_library>("loadLibrary"),
                                    method<&ModelHandle::load_weights>("loadWeights"),
                                    method<&ModelHandle::abort_load>("abortLoad"),
                                    method<&ModelHandle::create_sequence>("createSequence"),
                                    method<&ModelHandle::adjust>("adjust"),
                                    getter<&ModelHandle::threads>("threads"),
                                    method<&ModelHandle::close>("close")}));
}

ModelHandle::ModelHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    OpenOptions options = read_open_options(info[0]);
    const OptionReader reader(info[0], "");
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
    model_ = std::make_shared<Model>(std::move(options));
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

void ModelHandle::require_loaded() const {
  require_open("The model");
  if (!loaded_) throw Error(code::kClosed, "The model is not loaded yet.");
}

Napi::Value ModelHandle::load_library(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_] { return model->load_library(); },
      [](Napi::Env env, const std::string& metadata) { return Napi::String::New(env, metadata); });
}

Napi::Value ModelHandle::load_weights(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_, options = read_weights_options(info[0])] {
        model->load_weights(options);
        return 0;
      },
      [this](Napi::Env env, int) {
        loaded_ = true;
        JsEnvironment::of(env).drop(progress_->callback);
        Napi::Object facts = Napi::Object::New(env);
        if (const auto dtype = model_->kv_dtype()) facts.Set("kvType", dtype_word(*dtype));
        return facts;
      });
}

Napi::Value ModelHandle::abort_load(const Info& info) {
  model_->abort_all();
  return info.Env().Undefined();
}

Napi::Value ModelHandle::create_sequence(const Info& info) {
  require_loaded();
  if (!model_->take_place()) {
    throw Error(code::kBusy,
                "All sequences of the model are in use. Close one, or open the model with more.",
                {{"sequences", static_cast<double>(model_->options().sequences)}});
  }
  const auto keep = info.This().As<Napi::Object>();
  return environment(info).run(
      model_->worker(), keep,
      [model = model_] {
        try {
          return std::make_shared<MlcSequence>(model);
        } catch (...) {
          model->return_place();
          throw;
        }
      },
      [this](Napi::Env env, std::shared_ptr<Sequence> sequence) {
        return SequenceHandle::create(*environment_, env, std::move(sequence),
                                      Napi::ObjectWrap<ModelHandle>::Value());
      });
}

Napi::Value ModelHandle::adjust(const Info& info) {
  require_loaded();
  const int threads =
      read_integer<int>(info[0], "threads", 0, static_cast<int>(allowed_processors().size()));
  const auto step_tokens = read_integer<std::uint32_t>(info[1], "batchTokens", 0, 1 << 16);
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_, threads, step_tokens] {
        model->adjust(threads, step_tokens);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

Napi::Value ModelHandle::threads(const Info& info) {
  return Napi::Number::New(info.Env(), model_->threads());
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

}  // namespace mobillm::mlc
