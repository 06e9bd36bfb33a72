#include "sequence_handle.hpp"

#include <utility>

#include "generation_handle.hpp"
#include "mobillm/option_reader.hpp"
#include "model.hpp"
#include "option_structs.hpp"

namespace mobillm::llamacpp {

void SequenceHandle::define(Napi::Env env, JsEnvironment& environment) {
  environment.define("Sequence", DefineClass(env, "Sequence",
                                             {getter<&SequenceHandle::token_count>("tokenCount"),
                                              method<&SequenceHandle::generate>("generate"),
                                              method<&SequenceHandle::truncate>("truncate"),
                                              method<&SequenceHandle::close>("close")}));
}

SequenceHandle::SequenceHandle(const Napi::CallbackInfo& info)
    : Handle(info),
      sequence_(*info[0].As<Napi::External<std::shared_ptr<Sequence>>>().Data()),
      model_(Napi::Persistent(info[1].As<Napi::Object>())) {}

// Collected without having been closed: its place is given back by a job, if there is a thread left
// to run it.
SequenceHandle::~SequenceHandle() {
  if (closed()) return;
  if (generation_ != nullptr) generation_->abort();
  sequence_->model().worker().post([sequence = sequence_] {
    try {
      sequence->release();
    } catch (const Error&) {
      // The model was freed before, and the sequence's place with it.
    }
  });
}

void SequenceHandle::require_idle() const {
  require_open("The sequence");
  if (generation_ != nullptr && !generation_->ended()) {
    throw Error(code::kBusy,
                "The sequence is generating. Wait for it, or abort it, before the next call.");
  }
}

Napi::Value SequenceHandle::token_count(const Info& info) {
  return Napi::Number::New(info.Env(), sequence_->token_count());
}

Napi::Value SequenceHandle::generate(const Info& info) {
  require_idle();
  const Model& model = sequence_->model();
  if (model.aborted()) throw Error(code::kClosed, "The model was closed. Open it again.");
  const int vocabulary_size = model.vocabulary().size();
  std::vector<llama_token> prompt = read_tokens(info[0], "tokens", vocabulary_size);
  if (prompt.empty()) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "tokens", "must hold at least one token");
  }
  const std::size_t cached = static_cast<std::size_t>(sequence_->token_count());
  const std::size_t context_tokens = model.facts().context_tokens;
  if (cached + prompt.size() > context_tokens) {
    throw Error(code::kContextFull,
                "The prompt has " + std::to_string(cached + prompt.size()) +
                    " tokens and the context holds " + std::to_string(context_tokens) +
                    ". Shorten the prompt, or open the model with more contextTokens.",
                {{"promptTokens", static_cast<double>(cached + prompt.size())},
                 {"contextTokens", static_cast<double>(context_tokens)}});
  }
  GenerateSpec spec = read_generate_spec(info[1], vocabulary_size);
  Napi::Object handle = environment(info).construct("Generation", {info.This()});
  generation_ =
      GenerationHandle::Unwrap(handle)->start(sequence_, std::move(prompt), std::move(spec));
  return handle;
}

Napi::Value SequenceHandle::truncate(const Info& info) {
  require_idle();
  const auto count = read_integer<std::int32_t>(info[0], "tokenCount", 0, sequence_->token_count());
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_, count] { return sequence->truncate(count); },
      [](Napi::Env env, std::int32_t left) { return Napi::Number::New(env, left); });
}

Napi::Value SequenceHandle::close(const Info& info) {
  require_open("The sequence");
  mark_closed();
  if (generation_ != nullptr) generation_->abort();
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_] {
        sequence->release();
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

}  // namespace mobillm::llamacpp
