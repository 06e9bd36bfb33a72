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

ModelHandle::ModelHandle(const Napi::CallbackInfo& info) : ModelHandleBase(info) {
  guarded(info.Env(), [&] {
    Libraries libraries = LibraryHandle::libraries_of(info[0], "library");
    OpenOptions options = read_open_options(info[1]);
    options.on_progress = progress_from(OptionReader(info[1], ""));
    adopt(std::make_shared<Model>(std::move(libraries), std::move(options)));
  });
}

Napi::Value ModelHandle::load(const Info& info) {
  require_open("The model");
  if (std::exchange(load_asked_, true)) {
    throw Error(code::kBusy, "The model is loaded already, or being loaded. Load it once.");
  }
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model()] {
        model->load();
        return 0;
      },
      [this](Napi::Env env, int) {
        mark_loaded(env);
        return facts_object(env, *model());
      });
}

Napi::Value ModelHandle::abort_load(const Info& info) { return stop_loading(info); }

Napi::Value ModelHandle::create_sequence(const Info& info) {
  require_loaded();
  return SequenceHandle::create(environment(info), info.Env(),
                                std::make_shared<ModelSequence>(model()),
                                info.This().As<Napi::Object>());
}

Napi::Value ModelHandle::close(const Info& info) { return free_model(info); }

}  // namespace mobillm::qnn
