// The JavaScript face of a sequence.
#pragma once

#include <memory>

#include "generation.hpp"
#include "mobillm/handle.hpp"
#include "sequence.hpp"

namespace mobillm::llamacpp {

// Made by Model.createSequence.
class SequenceHandle : public Handle<SequenceHandle> {
 public:
  static void define(Napi::Env env, JsEnvironment& environment);
  explicit SequenceHandle(const Napi::CallbackInfo& info);
  ~SequenceHandle() override;

 private:
  Napi::Value token_count(const Info& info);
  Napi::Value generate(const Info& info);
  Napi::Value truncate(const Info& info);
  Napi::Value close(const Info& info);

  void require_idle() const;

  std::shared_ptr<Sequence> sequence_;
  std::shared_ptr<Generation> generation_;  // the latest one
  Napi::ObjectReference model_;             // a sequence keeps its model from being collected
};

}  // namespace mobillm::llamacpp
