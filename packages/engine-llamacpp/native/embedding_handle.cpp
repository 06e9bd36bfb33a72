#include "embedding_handle.hpp"

#include <cstring>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

template <typename T>
Napi::Value external(Napi::Env env, std::shared_ptr<T>& shared) {
  return Napi::External<std::shared_ptr<T>>::New(env, &shared);
}

template <typename T>
std::shared_ptr<T> shared_in(Napi::Value value) {
  return *value.As<Napi::External<std::shared_ptr<T>>>().Data();
}

}  // namespace

void EmbeddingHandle::define(Napi::Env env, JsEnvironment& environment) {
  environment.define("Embedding", DefineClass(env, "Embedding",
                                              {method<&EmbeddingHandle::step>("step"),
                                               method<&EmbeddingHandle::rows>("rows"),
                                               method<&EmbeddingHandle::abort>("abort")}));
}

Napi::Object EmbeddingHandle::create(JsEnvironment& environment, Napi::Env env,
                                     std::shared_ptr<Model> model,
                                     std::shared_ptr<EmbeddingJob> job, Napi::Object model_object) {
  return environment.construct("Embedding",
                               {external(env, model), external(env, job), model_object});
}

EmbeddingHandle::EmbeddingHandle(const Napi::CallbackInfo& info)
    : Handle(info),
      model_(shared_in<Model>(info[0])),
      job_(shared_in<EmbeddingJob>(info[1])),
      model_object_(Napi::Persistent(info[2].As<Napi::Object>())) {}

Napi::Value EmbeddingHandle::step(const Info& info) {
  if (running_) throw Error(code::kBusy, "A step of these texts runs. Wait for it.");
  if (done_) return Napi::Number::New(info.Env(), static_cast<double>(job_->computed_tokens()));
  running_ = true;
  return environment(info).run(
      model_->worker(), info.This().As<Napi::Object>(),
      [model = model_, job = job_] {
        if (!job->done()) model->embed(*job);
        return std::pair(job->computed_tokens(), job->done());
      },
      [this](Napi::Env env, const std::pair<std::size_t, bool>& state) {
        running_ = false;
        done_ = state.second;
        return Napi::Number::New(env, static_cast<double>(state.first));
      });
}

Napi::Value EmbeddingHandle::rows(const Info& info) {
  if (!done_) throw Error(code::kBusy, "Not all of these texts are computed yet.");
  Napi::Float32Array array = Napi::Float32Array::New(info.Env(), job_->rows.size());
  if (!job_->rows.empty()) {
    std::memcpy(array.Data(), job_->rows.data(), job_->rows.size() * sizeof(float));
  }
  return array;
}

Napi::Value EmbeddingHandle::abort(const Info& info) {
  job_->abort.set();
  return info.Env().Undefined();
}

}  // namespace mobillm::llamacpp
