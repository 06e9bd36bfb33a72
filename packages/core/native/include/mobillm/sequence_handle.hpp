// The JavaScript face of a sequence, the same for all engines.
#pragma once

#include <memory>

#include "mobillm/generation.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/sequence.hpp"

namespace mobillm {

// Made by an engine's Model.createSequence. Its methods and what they take stand in
// core/src/native/native-sequence.ts.
class SequenceHandle : public Handle<SequenceHandle> {
 public:
  // To be called once when the addon starts: registers the classes Sequence and Generation.
  static void define(Napi::Env env, JsEnvironment& environment);

  // The object for a sequence that was just made; `model` is kept from being collected by it.
  static Napi::Object create(JsEnvironment& environment, Napi::Env env,
                             std::shared_ptr<Sequence> sequence, Napi::Object model);

  // Called by `create` alone.
  explicit SequenceHandle(const Napi::CallbackInfo& info);
  ~SequenceHandle() override;

 private:
  Napi::Value token_count(const Info& info);
  Napi::Value generate(const Info& info);
  Napi::Value truncate(const Info& info);
  Napi::Value copy_from(const Info& info);
  Napi::Value remove_tokens(const Info& info);
  Napi::Value set_adapters(const Info& info);
  Napi::Value set_token_bytes(const Info& info);
  Napi::Value kv_shape(const Info& info);
  Napi::Value export_kv(const Info& info);
  Napi::Value import_kv(const Info& info);
  Napi::Value abort_transfer(const Info& info);
  Napi::Value close(const Info& info);

  // Throws CLOSED and BUSY.
  void require_idle() const;
  // Runs `work(abort)` on the model's thread and settles a promise with
  // `convert(env, memory, result)`. `memory` lives until then: JavaScript memory that `work` uses.
  template <typename Work, typename Convert>
  Napi::Value transfer(const Info& info, Napi::Object memory, Work work, Convert convert);
  // Stops the generation and the transfer that run, if any do.
  void stop_work();

  std::shared_ptr<Sequence> sequence_;
  std::shared_ptr<Generation> generation_;  // the latest one
  AbortFlagPtr transfer_;                   // of the export or import that runs; null for none
  Napi::ObjectReference memory_;            // of that transfer
  Napi::ObjectReference model_;             // a sequence keeps its model from being collected
};

}  // namespace mobillm
