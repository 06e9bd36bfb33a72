#include "estimate_handle.hpp"

#include "mobillm/option_reader.hpp"
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
    const OptionReader options(info[0], "");
    file_.file = read_checked_file(info[0]);
    file_.architecture = options.string("architecture");
    file_.vocabulary_size = options.integer<std::uint32_t>("vocabularySize", 0, 0x7fffffff);
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
      [file = file_, asked = options_, offload = offload_, tuning = tuning_, abort = abort_] {
        // What `open` would take: a matrix of scores needs memory of its own.
        ContextOptions options = asked;
        options.flash_attention = resolve_flash_attention(
            tuned_model(file.file, file.architecture, file.vocabulary_size, offload), options,
            tuning);
        return fit_offload(file, options, offload, *abort).estimate;
      },
      [](Napi::Env env, const MemoryEstimate& estimate) {
        Napi::Object result = Napi::Object::New(env);
        Napi::Array rows = Napi::Array::New(env, estimate.devices.size());
        std::uint32_t index = 0;
        for (const DeviceMemory& device : estimate.devices) {
          Napi::Object row = Napi::Object::New(env);
          row.Set("device", device.device);
          row.Set("weightsBytes", static_cast<double>(device.weights));
          row.Set("kvCacheBytes", static_cast<double>(device.kv_cache));
          row.Set("computeBytes", static_cast<double>(device.compute));
          row.Set("outputBytes", static_cast<double>(device.output));
          rows.Set(index++, row);
        }
        result.Set("devices", rows);
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
