#include "estimate_handle.hpp"

#include "memory_rows.hpp"
#include "offload_fit.hpp"
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
    file_ = read_model_file(info[0]);
    draft_ = read_draft(info[0]);
    options_ = read_context_options(info[0]);
    offload_ = read_offload(info[0]);
    tuning_ = read_tuning_options(info[0]);
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
      [file = file_, draft = draft_, asked = options_, offload = offload_, tuning = tuning_,
       abort = abort_] {
        // What `open` would take: a matrix of scores needs memory of its own.
        const auto fit = [&](const Offload& wanted) {
          ContextOptions options = asked;
          options.flash_attention =
              resolve_flash_attention(tuned_model(file, wanted), options, tuning);
          return fit_offload(file, options, wanted, draft, *abort);
        };
        FittedOffload fitted = fit(offload);
        // Where no layer finds room, it is computed as on the CPU.
        if (!offload.is_cpu_only() && fitted.offload.is_cpu_only()) fitted = fit(fitted.offload);
        return fitted;
      },
      [](Napi::Env env, const FittedOffload& fitted) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("devices", memory_rows(env, fitted.devices()));
        result.Set("exact", fitted.estimate.exact && (!fitted.draft || fitted.draft->exact));
        Napi::Object layers = Napi::Object::New(env);
        for (const auto& [device, count] : fitted.estimate.layers_by_device) {
          layers.Set(device, count);
        }
        result.Set("layersByDevice", layers);
        const Offload& offload = fitted.offload;
        const bool counts = offload.layers == Offload::Layers::kCount;
        result.Set("gpuLayers", counts ? static_cast<double>(offload.count) : -2);
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
