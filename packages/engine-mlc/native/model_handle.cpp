#include "model_handle.hpp"

#include <string>
#include <utility>

#include "mlc_sequence.hpp"
#include "mobillm/kv_transfer.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "option_structs.hpp"
#include "processors.hpp"

namespace mobillm::mlc {

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

ModelHandle::ModelHandle(const Napi::CallbackInfo& info) : ModelHandleBase(info) {
  guarded(info.Env(), [&] {
    OpenOptions options = read_open_options(info[0]);
    options.on_progress = progress_from(OptionReader(info[0], ""));
    adopt(std::make_shared<Model>(std::move(options)));
  });
}

Napi::Value ModelHandle::load_library(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model()] { return model->load_library(); },
      [](Napi::Env env, const std::string& metadata) { return Napi::String::New(env, metadata); });
}

Napi::Value ModelHandle::load_weights(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model(), options = read_weights_options(info[0])] {
        model->load_weights(options);
        return 0;
      },
      [this](Napi::Env env, int) {
        mark_loaded(env);
        Napi::Object facts = Napi::Object::New(env);
        if (const auto dtype = model()->kv_dtype()) facts.Set("kvType", dtype_word(*dtype));
        return facts;
      });
}

Napi::Value ModelHandle::abort_load(const Info& info) { return stop_loading(info); }

Napi::Value ModelHandle::create_sequence(const Info& info) {
  require_loaded();
  if (!model()->take_place()) {
    throw Error(code::kBusy,
                "All sequences of the model are in use. Close one, or open the model with more.",
                {{"sequences", static_cast<double>(model()->options().sequences)}});
  }
  const auto keep = info.This().As<Napi::Object>();
  return environment(info).run(
      model()->worker(), keep,
      [model = model()] {
        try {
          return std::make_shared<MlcSequence>(model);
        } catch (...) {
          model->return_place();
          throw;
        }
      },
      [this](Napi::Env env, std::shared_ptr<Sequence> sequence) {
        return SequenceHandle::create(JsEnvironment::of(env), env, std::move(sequence),
                                      Napi::ObjectWrap<ModelHandle>::Value());
      });
}

Napi::Value ModelHandle::adjust(const Info& info) {
  require_loaded();
  const int threads =
      read_integer<int>(info[0], "threads", 0, static_cast<int>(allowed_processors().size()));
  const auto step_tokens = read_integer<std::uint32_t>(info[1], "batchTokens", 0, 1 << 16);
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model(), threads, step_tokens] {
        model->adjust(threads, step_tokens);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

Napi::Value ModelHandle::threads(const Info& info) {
  return Napi::Number::New(info.Env(), model()->threads());
}

Napi::Value ModelHandle::close(const Info& info) { return free_model(info); }

}  // namespace mobillm::mlc
