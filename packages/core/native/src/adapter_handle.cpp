#include "mobillm/adapter_handle.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "mobillm/option_reader.hpp"
#include "mobillm/sequence.hpp"

namespace mobillm {

void AdapterHandle::define(Napi::Env env, JsEnvironment& environment) {
  environment.define("Adapter",
                     DefineClass(env, "Adapter", {method<&AdapterHandle::close>("close")}));
}

Napi::Object AdapterHandle::create(JsEnvironment& environment, Napi::Env env,
                                   std::shared_ptr<Adapter> adapter, Napi::Object model) {
  return environment.construct(
      "Adapter", {Napi::External<std::shared_ptr<Adapter>>::New(env, &adapter), model});
}

AdapterHandle::AdapterHandle(const Napi::CallbackInfo& info)
    : Handle(info),
      adapter_(*info[0].As<Napi::External<std::shared_ptr<Adapter>>>().Data()),
      model_(Napi::Persistent(info[1].As<Napi::Object>())) {}

// Collected without having been closed: nobody can ask for it any more, but a sequence may have it
// applied, so it stays until its model goes.
AdapterHandle::~AdapterHandle() = default;

const std::shared_ptr<Adapter>& AdapterHandle::adapter() const {
  require_open("The adapter");
  return adapter_;
}

Napi::Value AdapterHandle::close(const Info& info) {
  require_open("The adapter");
  mark_closed();
  return environment(info).run(
      adapter_->model().worker(), info.This().As<Napi::Object>(),
      [adapter = adapter_] {
        adapter->free();
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

std::vector<AdapterUse> read_adapters(Napi::Value adapters, Napi::Value scales,
                                      const SequenceModel& model) {
  if (!adapters.IsArray()) throw_wrong_type("adapters", "an array", adapters);
  if (!scales.IsArray()) throw_wrong_type("scales", "an array", scales);
  const JsEnvironment& environment = JsEnvironment::of(adapters.Env());
  const auto rows = adapters.As<Napi::Array>();
  std::vector<AdapterUse> uses;
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const std::string key = "adapters[" + std::to_string(i) + "]";
    const Napi::Value row = rows.Get(i);
    const auto wrong = [&](const char* what) {
      return InvalidArgument(InvalidArgument::Kind::kRange, key, what);
    };
    if (!environment.made_by("Adapter", row)) throw wrong("must be an adapter of this model");
    std::shared_ptr<Adapter> adapter = AdapterHandle::Unwrap(row.As<Napi::Object>())->adapter();
    if (&adapter->model() != &model) throw wrong("must be an adapter of this model");
    if (std::ranges::any_of(uses, [&](const AdapterUse& use) { return use.adapter == adapter; })) {
      throw wrong("is named twice");
    }
    const Napi::Value scale = scales.As<Napi::Array>().Get(i);
    if (!scale.IsNumber()) throw_wrong_type("scales", "numbers", scale);
    const float factor = scale.As<Napi::Number>().FloatValue();
    if (!std::isfinite(factor)) throw wrong("has a scale that is not finite");
    if (factor != 0) uses.push_back({std::move(adapter), factor});
  }
  return uses;
}

}  // namespace mobillm
