// The JavaScript face of texts that vectors or scores are computed of.
#pragma once

#include <memory>

#include "embedding_job.hpp"
#include "mobillm/handle.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

// Made by Model.createEmbedding(tokens, lengths, pooling). `step()` computes a part and promises
// how many tokens are done; after all of them `rows()` has the results; `abort()` ends the step
// that runs and all later ones.
class EmbeddingHandle : public Handle<EmbeddingHandle> {
 public:
  static void define(Napi::Env env, JsEnvironment& environment);

  // `model_object` is kept from being collected by it.
  static Napi::Object create(JsEnvironment& environment, Napi::Env env,
                             std::shared_ptr<Model> model, std::shared_ptr<EmbeddingJob> job,
                             Napi::Object model_object);

  // Called by `create` alone.
  explicit EmbeddingHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value step(const Info& info);
  Napi::Value rows(const Info& info);
  Napi::Value abort(const Info& info);

  std::shared_ptr<Model> model_;
  std::shared_ptr<EmbeddingJob> job_;
  Napi::ObjectReference model_object_;
  bool running_ = false;
  bool done_ = false;
};

}  // namespace mobillm::llamacpp
