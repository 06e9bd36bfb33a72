#include "mobillm/generation_handle.hpp"

#include <utility>

namespace mobillm {

namespace {

const char* finish_word(Finish finish) {
  switch (finish) {
    case Finish::kEndToken:
      return "end-token";
    case Finish::kMaxTokens:
      return "max-tokens";
    case Finish::kContextFull:
      return "context-full";
    case Finish::kGrammarEnd:
      return "grammar-end";
    case Finish::kAborted:
      return "aborted";
  }
  return "";
}

Napi::Object logprob_object(Napi::Env env, const TokenLogprob& entry) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("token", entry.token);
  result.Set("logprob", entry.logprob);
  return result;
}

Napi::Value batch_object(Napi::Env env, const GenerationBatch& batch) {
  if (batch.error) std::rethrow_exception(batch.error);
  Napi::Object result = Napi::Object::New(env);
  Napi::Array tokens = Napi::Array::New(env, batch.tokens.size());
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    tokens.Set(static_cast<std::uint32_t>(i), batch.tokens[i]);
  }
  result.Set("tokens", tokens);
  if (!batch.logprobs.empty()) {
    Napi::Array rows = Napi::Array::New(env, batch.logprobs.size());
    for (std::size_t i = 0; i < batch.logprobs.size(); ++i) {
      const TokenLogprobs& entry = batch.logprobs[i];
      Napi::Object row = logprob_object(env, entry.chosen);
      Napi::Array top = Napi::Array::New(env, entry.top.size());
      for (std::size_t j = 0; j < entry.top.size(); ++j) {
        top.Set(static_cast<std::uint32_t>(j), logprob_object(env, entry.top[j]));
      }
      row.Set("top", top);
      rows.Set(static_cast<std::uint32_t>(i), row);
    }
    result.Set("logprobs", rows);
  }
  result.Set("prefilledTokens", static_cast<double>(batch.prefilled_tokens));
  result.Set("prefillMs", batch.prefill_ms);
  result.Set("decodeMs", batch.decode_ms);
  if (batch.rejected_tokens) {
    result.Set("rejectedTokens", static_cast<double>(*batch.rejected_tokens));
  }
  if (batch.drafts) {
    result.Set("draftedTokens", static_cast<double>(batch.drafts->drafted));
    result.Set("acceptedTokens", static_cast<double>(batch.drafts->accepted));
  }
  if (batch.finish) result.Set("finish", finish_word(*batch.finish));
  return result;
}

}  // namespace

void GenerationHandle::define(Napi::Env env, JsEnvironment& environment) {
  environment.define("Generation", DefineClass(env, "Generation",
                                               {method<&GenerationHandle::next>("next"),
                                                method<&GenerationHandle::abort>("abort")}));
}

GenerationHandle::GenerationHandle(const Napi::CallbackInfo& info)
    : Handle(info),
      environment_(&JsEnvironment::of(info.Env())),
      sequence_(Napi::Persistent(info[0].As<Napi::Object>())) {}

// Collected before its end: nobody can read on, so it stops.
GenerationHandle::~GenerationHandle() {
  if (generation_ != nullptr) generation_->abort();
}

std::shared_ptr<Generation> GenerationHandle::start(std::shared_ptr<Sequence> sequence,
                                                    std::vector<Token> prompt, GenerateSpec spec) {
  // `this` is good when the call arrives: it is made only while a promise of `next` waits, and that
  // keeps this object.
  generation_ = std::make_shared<Generation>(
      std::move(sequence), std::move(prompt), std::move(spec),
      [queue = environment_->queue(), this] { queue->post([this](Napi::Env) { deliver(); }); });
  generation_->start();
  return generation_;
}

Napi::Value GenerationHandle::next(const Info& info) {
  if (waiting_) {
    throw Error(code::kBusy, "The batch asked for before has not come yet. Wait for it first.");
  }
  auto [ticket, promise] = environment_->defer(info.This().As<Napi::Object>());
  waiting_ = ticket;
  if (generation_->wait()) deliver();
  return promise;
}

void GenerationHandle::deliver() {
  if (!waiting_) return;
  const JsEnvironment::Ticket ticket = *std::exchange(waiting_, std::nullopt);
  environment_->settle(
      ticket, [batch = generation_->take()](Napi::Env env) { return batch_object(env, batch); });
}

Napi::Value GenerationHandle::abort(const Info& info) {
  generation_->abort();
  return info.Env().Undefined();
}

}  // namespace mobillm
