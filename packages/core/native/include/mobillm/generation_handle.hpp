// The JavaScript face of a generation.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mobillm/generation.hpp"
#include "mobillm/handle.hpp"

namespace mobillm {

// Made by Sequence.generate. `next()` is pulled, one call at a time, until a batch has `finish`.
class GenerationHandle : public Handle<GenerationHandle> {
 public:
  // Called by SequenceHandle::define.
  static void define(Napi::Env env, JsEnvironment& environment);
  explicit GenerationHandle(const Napi::CallbackInfo& info);
  ~GenerationHandle() override;

  // Called once by the sequence.
  std::shared_ptr<Generation> start(std::shared_ptr<Sequence> sequence, std::vector<Token> prompt,
                                    GenerateSpec spec);

 private:
  Napi::Value next(const Info& info);
  Napi::Value abort(const Info& info);

  // Settles the promise of `next`, which waits.
  void deliver();

  JsEnvironment* environment_;
  std::shared_ptr<Generation> generation_;
  std::optional<JsEnvironment::Ticket> waiting_;
  Napi::ObjectReference sequence_;  // a generation keeps its sequence from being collected
};

}  // namespace mobillm
