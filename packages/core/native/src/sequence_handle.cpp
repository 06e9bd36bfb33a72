#include "mobillm/sequence_handle.hpp"

#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mobillm/adapter_handle.hpp"
#include "mobillm/generate_options.hpp"
#include "mobillm/generation_handle.hpp"
#include "mobillm/kv_transfer.hpp"
#include "mobillm/option_reader.hpp"

namespace mobillm {

namespace {

Error context_full(std::size_t tokens, std::size_t context_tokens) {
  return Error(code::kContextFull,
               "The prompt has " + std::to_string(tokens) + " tokens and the context holds " +
                   std::to_string(context_tokens) +
                   ". Shorten the prompt, or open the model with more contextTokens.",
               {{"promptTokens", static_cast<double>(tokens)},
                {"contextTokens", static_cast<double>(context_tokens)}});
}

// What a job reads of the end of a sequence.
struct KvExport {
  std::vector<Token> tokens;
  std::vector<float> next_logits;  // empty where they are not known
};

template <typename Array, typename T>
Array typed_array(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

// The tokens were counted on the JavaScript thread; a truncation that nobody waited for went
// before.
void require_unchanged(const Sequence& sequence, std::int32_t count) {
  if (sequence.token_count() == count) return;
  throw Error(code::kBusy, "The sequence changed meanwhile. Wait for each call before the next.");
}

}  // namespace

void SequenceHandle::define(Napi::Env env, JsEnvironment& environment) {
  AdapterHandle::define(env, environment);
  GenerationHandle::define(env, environment);
  environment.define("Sequence",
                     DefineClass(env, "Sequence",
                                 {getter<&SequenceHandle::token_count>("tokenCount"),
                                  method<&SequenceHandle::generate>("generate"),
                                  method<&SequenceHandle::truncate>("truncate"),
                                  method<&SequenceHandle::copy_from>("copyFrom"),
                                  method<&SequenceHandle::remove_tokens>("removeTokens"),
                                  method<&SequenceHandle::set_adapters>("setAdapters"),
                                  method<&SequenceHandle::set_token_bytes>("setTokenBytes"),
                                  method<&SequenceHandle::kv_shape>("kvShape"),
                                  method<&SequenceHandle::export_kv>("exportKv"),
                                  method<&SequenceHandle::import_kv>("importKv"),
                                  method<&SequenceHandle::abort_transfer>("abortTransfer"),
                                  method<&SequenceHandle::close>("close")}));
}

Napi::Object SequenceHandle::create(JsEnvironment& environment, Napi::Env env,
                                    std::shared_ptr<Sequence> sequence, Napi::Object model) {
  return environment.construct(
      "Sequence", {Napi::External<std::shared_ptr<Sequence>>::New(env, &sequence), model});
}

SequenceHandle::SequenceHandle(const Napi::CallbackInfo& info)
    : Handle(info),
      sequence_(*info[0].As<Napi::External<std::shared_ptr<Sequence>>>().Data()),
      model_(Napi::Persistent(info[1].As<Napi::Object>())) {}

// Collected without having been closed: its place is given back by a job, if there is a thread left
// to run it.
SequenceHandle::~SequenceHandle() {
  if (closed()) return;
  stop_work();
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
  if (sequence_->model().aborted()) {
    throw Error(code::kClosed, "The model was closed. Open it again.");
  }
  if (generation_ != nullptr && !generation_->ended()) {
    throw Error(code::kBusy,
                "The sequence is generating. Wait for it, or abort it, before the next call.");
  }
  if (transfer_ != nullptr) {
    throw Error(code::kBusy,
                "The sequence's cache is being handed over. Wait for it before the next call.");
  }
}

void SequenceHandle::stop_work() {
  if (generation_ != nullptr) generation_->abort();
  if (transfer_ != nullptr) transfer_->set();
}

Napi::Value SequenceHandle::token_count(const Info& info) {
  return Napi::Number::New(info.Env(), sequence_->token_count());
}

Napi::Value SequenceHandle::generate(const Info& info) {
  require_idle();
  const SequenceModel& model = sequence_->model();
  std::vector<Token> prompt = read_tokens(info[0], "tokens", model.vocabulary_size());
  if (prompt.empty() && !sequence_->has_kept_logits()) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "tokens",
                          "must hold at least one token, because the logits that follow the last "
                          "one are not known");
  }
  const std::size_t tokens = static_cast<std::size_t>(sequence_->token_count()) + prompt.size();
  const auto context_tokens = static_cast<std::size_t>(model.context_tokens());
  if (tokens > context_tokens) throw context_full(tokens, context_tokens);
  GenerateSpec spec = read_generate_spec(info[1], model.vocabulary_size());
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

Napi::Value SequenceHandle::copy_from(const Info& info) {
  require_idle();
  SequenceHandle* const other = environment(info).made_by("Sequence", info[0])
                                    ? SequenceHandle::Unwrap(info[0].As<Napi::Object>())
                                    : nullptr;
  if (other == nullptr || other == this || &other->sequence_->model() != &sequence_->model()) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "source",
                          "must be another sequence of the same model");
  }
  other->require_open("The sequence to copy");
  const auto count = read_integer<std::int32_t>(info[1], "tokenCount", 0,
                                                std::numeric_limits<std::int32_t>::max());
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_, source = other->sequence_, count] {
        // It may have been cut since it was counted.
        return source->token_count() >= count && sequence->copy_from(*source, count);
      },
      [](Napi::Env env, bool copied) { return Napi::Boolean::New(env, copied); });
}

Napi::Value SequenceHandle::remove_tokens(const Info& info) {
  require_idle();
  const std::int32_t count = sequence_->token_count();
  const auto to = read_integer<std::int32_t>(info[1], "to", 0, count);
  const auto from = read_integer<std::int32_t>(info[0], "from", 0, to);
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_, count, from, to] {
        require_unchanged(*sequence, count);
        return sequence->remove_tokens(from, to);
      },
      [](Napi::Env env, bool removed) { return Napi::Boolean::New(env, removed); });
}

// setAdapters(adapters, scales)
Napi::Value SequenceHandle::set_adapters(const Info& info) {
  require_idle();
  std::vector<AdapterUse> uses = read_adapters(info[0], info[1], sequence_->model());
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_, uses = std::move(uses)] {
        sequence->set_adapters(uses);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

// setTokenBytes(bytes, ends): taken over on the model's thread, before any step that is asked for
// later.
Napi::Value SequenceHandle::set_token_bytes(const Info& info) {
  require_open("The sequence");
  TokenBytes tokens = read_token_bytes(info[0], info[1]);
  sequence_->model().worker().post(
      [sequence = sequence_, tokens = std::make_shared<TokenBytes>(std::move(tokens))] {
        sequence->model().set_token_bytes(std::move(*tokens));
      });
  return info.Env().Undefined();
}

Napi::Value SequenceHandle::kv_shape(const Info& info) {
  require_idle();
  return kv_shape_object(info.Env(), sequence_->kv_shape(), sequence_->model());
}

template <typename Work, typename Convert>
Napi::Value SequenceHandle::transfer(const Info& info, Napi::Object memory, Work work,
                                     Convert convert) {
  struct Outcome {
    std::optional<decltype(work(std::declval<const AbortFlag&>()))> result;
    std::exception_ptr error;
  };
  const auto abort = std::make_shared<AbortFlag>();
  transfer_ = abort;
  memory_ = Napi::Persistent(memory);
  // `this` is good when the outcome arrives: the promise keeps this object.
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [abort, work = std::move(work)] {
        Outcome outcome;
        try {
          outcome.result = work(*abort);
        } catch (...) {
          outcome.error = std::current_exception();
        }
        return outcome;
      },
      [this, convert = std::move(convert)](Napi::Env env, Outcome outcome) -> Napi::Value {
        const Napi::Object kept = memory_.Value();
        memory_.Reset();
        transfer_ = nullptr;
        if (outcome.error) std::rethrow_exception(outcome.error);
        return convert(env, kept, std::move(*outcome.result));
      });
}

// export_kv(fromToken): { tokens, data, nextLogits? }. The memory is made here and filled by a job,
// so that nothing large is copied on the JavaScript thread.
Napi::Value SequenceHandle::export_kv(const Info& info) {
  require_idle();
  const std::int32_t count = sequence_->token_count();
  const auto from = read_integer<std::int32_t>(info[0], "fromToken", 0, count);
  const auto tokens = static_cast<std::size_t>(count - from);
  Napi::Uint8Array data = Napi::Uint8Array::New(info.Env(), sequence_->kv_shape().bytes(tokens));
  const KvSpan out{{reinterpret_cast<std::byte*>(data.Data()), data.ByteLength()}, tokens};
  return transfer(
      info, data,
      [sequence = sequence_, from, count, out](const AbortFlag& abort) {
        require_unchanged(*sequence, count);
        if (out.tokens > 0) sequence->export_kv(from, out, abort);
        KvExport result{{sequence->tokens().begin() + from, sequence->tokens().end()}, {}};
        if (sequence->has_kept_logits()) {
          const auto row = sequence->kept_logits();
          result.next_logits.assign(row.begin(), row.end());
        }
        return result;
      },
      [](Napi::Env env, Napi::Object memory, KvExport result) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("tokens", typed_array<Napi::Int32Array>(env, result.tokens));
        object.Set("data", memory);
        if (!result.next_logits.empty()) {
          object.Set("nextLogits", typed_array<Napi::Float32Array>(env, result.next_logits));
        }
        return object;
      });
}

Napi::Value SequenceHandle::import_kv(const Info& info) {
  require_idle();
  const SequenceModel& model = sequence_->model();
  KvImport snapshot =
      read_kv_import(info.Env(), info[0], sequence_->kv_shape(), model.vocabulary_size());
  const std::int32_t count = sequence_->token_count();
  if (snapshot.start != count) {
    throw Error(code::kKvMismatch,
                "The snapshot begins at position " + std::to_string(snapshot.start) +
                    " and the sequence's cache ends at " + std::to_string(count) +
                    ". Truncate the sequence, or export from that token on.",
                {{"startPosition", static_cast<double>(snapshot.start)},
                 {"tokenCount", static_cast<double>(count)}});
  }
  const std::size_t tokens = static_cast<std::size_t>(count) + snapshot.tokens.size();
  const auto context_tokens = static_cast<std::size_t>(model.context_tokens());
  if (tokens > context_tokens) throw context_full(tokens, context_tokens);
  const Napi::Object memory = snapshot.memory;
  return transfer(
      info, memory,
      [sequence = sequence_, count, view = std::move(snapshot.view),
       added = std::move(snapshot.tokens),
       next_logits = std::move(snapshot.next_logits)](const AbortFlag& abort) {
        require_unchanged(*sequence, count);
        if (!added.empty()) sequence->import_kv(view, added, abort);
        if (!next_logits.empty()) sequence->keep_logits(next_logits);
        return 0;
      },
      [](Napi::Env env, Napi::Object, int) -> Napi::Value { return env.Undefined(); });
}

Napi::Value SequenceHandle::abort_transfer(const Info& info) {
  if (transfer_ != nullptr) transfer_->set();
  return info.Env().Undefined();
}

Napi::Value SequenceHandle::close(const Info& info) {
  require_open("The sequence");
  mark_closed();
  stop_work();
  return environment(info).run(
      sequence_->model().worker(), info.This().As<Napi::Object>(),
      [sequence = sequence_] {
        sequence->release();
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

}  // namespace mobillm
