// The JavaScript face of a model that texts are scored with.
#pragma once

#include "mobillm/model_handle_base.hpp"
#include "optimize/text_scorer.hpp"

namespace mobillm::llamacpp {

// new TextScorer(options) makes it, `load()` loads it; `abort()` is for good. Every method is for
// the JavaScript thread.
class TextScorerHandle : public ModelHandleBase<TextScorerHandle, TextScorer> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit TextScorerHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value load(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value encode(const Info& info);
  Napi::Value score(const Info& info);
  Napi::Value weights(const Info& info);
  Napi::Value substitute(const Info& info);
  Napi::Value restore(const Info& info);
  Napi::Value measure(const Info& info);
  Napi::Value close(const Info& info);

  // Runs `work(scorer)` on its thread; `convert` makes a value of what it returns.
  template <typename Work, typename Convert>
  Napi::Value post(const Info& info, Work work, Convert convert);
};

}  // namespace mobillm::llamacpp
