// The JavaScript face of a model.
#pragma once

#include "mobillm/model_handle_base.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

// new Model(options) makes it, `load()` loads it. Every method is for the JavaScript thread.
class ModelHandle : public ModelHandleBase<ModelHandle, Model> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit ModelHandle(const Napi::CallbackInfo& info);
  ~ModelHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value load(const Info& info);
  Napi::Value abort_load(const Info& info);
  Napi::Value vocabulary(const Info& info);
  Napi::Value encode(const Info& info);
  Napi::Value encode_batch(const Info& info);
  Napi::Value encode_async(const Info& info);
  Napi::Value decode(const Info& info);
  Napi::Value token_bytes(const Info& info);
  Napi::Value create_sequence(const Info& info);
  Napi::Value create_embedding(const Info& info);
  Napi::Value load_adapter(const Info& info);
  Napi::Value adjust(const Info& info);
  Napi::Value memory(const Info& info);
  Napi::Value threads(const Info& info);
  Napi::Value tuning(const Info& info);
  Napi::Value close(const Info& info);

  // Ends the threads that encode and measure; the base ends the one that computes.
  void stop_encoding() noexcept;

  // The vocabulary; throws CLOSED after close.
  const Vocabulary& open_vocabulary() const;
};

}  // namespace mobillm::llamacpp
