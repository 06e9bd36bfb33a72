#include "model_handle.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "mobillm/generate_options.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "option_structs.hpp"
#include "sequence.hpp"

namespace mobillm::llamacpp {

namespace {

Napi::Value facts_object(Napi::Env env, const Model& model) {
  const ModelFacts& facts = model.facts();
  Napi::Object result = Napi::Object::New(env);
  result.Set("architecture", facts.architecture);
  result.Set("name", facts.name);
  result.Set("chatTemplate", facts.chat_template);
  result.Set("trainedContextTokens", facts.trained_context_tokens);
  result.Set("contextTokens", facts.context_tokens);
  result.Set("poolTokens", facts.pool_tokens);
  result.Set("layers", facts.layers);
  result.Set("parameterCount", static_cast<double>(facts.parameter_count));
  result.Set("weightBytes", static_cast<double>(facts.weight_bytes));
  return result;
}

Napi::Value int32_array(Napi::Env env, const std::vector<llama_token>& tokens) {
  Napi::Int32Array array = Napi::Int32Array::New(env, tokens.size());
  if (!tokens.empty())
    std::memcpy(array.Data(), tokens.data(), tokens.size() * sizeof(llama_token));
  return array;
}

}  // namespace

void ModelHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "Model",
      {method<&ModelHandle::load>("load"), method<&ModelHandle::abort_load>("abortLoad"),
       method<&ModelHandle::vocabulary>("vocabulary"), method<&ModelHandle::encode>("encode"),
       method<&ModelHandle::decode>("decode"), method<&ModelHandle::token_bytes>("tokenBytes"),
       method<&ModelHandle::create_sequence>("createSequence"),
       method<&ModelHandle::adjust>("adjust"), getter<&ModelHandle::threads>("threads"),
       method<&ModelHandle::close>("close")});
  exports.Set("Model", constructor);
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

Napi::Value ModelHandle::load(const Info& info) {
  require_open("The model");
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

const Vocabulary& ModelHandle::open_vocabulary() const {
  require_open("The model");
  if (!loaded_) throw Error(code::kClosed, "The model is not loaded yet.");
  return model_->vocabulary();
}

Napi::Value ModelHandle::vocabulary(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  result.Set("size", vocabulary.size());
  if (vocabulary.bos() != LLAMA_TOKEN_NULL) result.Set("bosToken", vocabulary.bos());
  if (vocabulary.eos() != LLAMA_TOKEN_NULL) result.Set("eosToken", vocabulary.eos());
  result.Set("addsBosToken", vocabulary.adds_bos());
  result.Set("endTokens", int32_array(env, vocabulary.end_tokens()));
  const std::vector<SpecialToken> special = vocabulary.special_tokens();
  Napi::Array rows = Napi::Array::New(env, special.size());
  for (std::size_t i = 0; i < special.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("token", special[i].token);
    row.Set("text", special[i].text);
    rows.Set(static_cast<std::uint32_t>(i), row);
  }
  result.Set("specialTokens", rows);
  return result;
}

Napi::Value ModelHandle::encode(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  return int32_array(info.Env(), vocabulary.encode(read_string(info[0], "text"),
                                                   read_boolean(info[1], "options.addSpecial"),
                                                   read_boolean(info[2], "options.parseSpecial")));
}

Napi::Value ModelHandle::decode(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const auto tokens = read_tokens(info[0], "tokens", vocabulary.size());
  // The engine replaces what is not UTF-8 by U+FFFD.
  return Napi::String::New(info.Env(),
                           vocabulary.decode(tokens, read_boolean(info[1], "options.showSpecial")));
}

Napi::Value ModelHandle::token_bytes(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const auto token = read_integer<llama_token>(info[0], "token", 0, vocabulary.size() - 1);
  const std::string bytes = vocabulary.piece(token, read_boolean(info[1], "options.showSpecial"));
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value ModelHandle::create_sequence(const Info& info) {
  open_vocabulary();
  const auto id = model_->take_sequence_id();
  if (!id) {
    throw Error(code::kBusy,
                "All sequences of the model are in use. Close one, or open the model with more.",
                {{"sequences", static_cast<double>(model_->context_options().sequences)}});
  }
  return SequenceHandle::create(environment(info), info.Env(),
                                std::make_shared<LlamaSequence>(model_, *id),
                                info.This().As<Napi::Object>());
}

Napi::Value ModelHandle::adjust(const Info& info) {
  open_vocabulary();
  const int threads = read_integer<int>(info[0], "threads", 0, 4096);
  const auto batch_tokens = read_integer<std::uint32_t>(info[1], "batchTokens", 0, 1 << 16);
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_, threads, batch_tokens] {
        model->adjust(threads, batch_tokens);
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

}  // namespace mobillm::llamacpp
