#include "estimate_handle.hpp"

#include "mobillm/option_reader.hpp"
#include "option_structs.hpp"

namespace mobillm::llamacpp {

void EstimateHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Estimate", DefineClass(env, "Estimate",
                                      {method<&EstimateHandle::run>("run"),
                                       method<&EstimateHandle::abort>("abort"),
                                       method<&EstimateHandle::close>("close")}));
}

EstimateHandle::EstimateHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    const OptionReader options(info[0], "");
    file_.file = read_checked_file(info[0]);
    file_.architecture = options.string("architecture");
    file_.vocabulary_size = options.integer<std::uint32_t>("vocabularySize", 0, 0x7fffffff);
    options_ = read_context_options(info[0]);
    environment_->add(this);
  });
}

EstimateHandle::~EstimateHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void EstimateHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
}

Napi::Value EstimateHandle::run(const Info& info) {
  require_open("The estimate");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [file = file_, options = options_, abort = abort_] {
        return estimate_memory(file, options, *abort);
      },
      [](Napi::Env env, const MemoryEstimate& estimate) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("weightsBytes", static_cast<double>(estimate.weights));
        result.Set("kvCacheBytes", static_cast<double>(estimate.kv_cache));
        result.Set("computeBytes", static_cast<double>(estimate.compute));
        result.Set("outputBytes", static_cast<double>(estimate.output));
        result.Set("exact", estimate.exact);
        return result;
      });
}

Napi::Value EstimateHandle::abort(const Info& info) {
  abort_->set();
  return info.Env().Undefined();
}

Napi::Value EstimateHandle::close(const Info& info) {
  mark_closed();
  abort_->set();
  worker_.stop();
  return info.Env().Undefined();
}

}  // namespace mobillm::llamacpp
