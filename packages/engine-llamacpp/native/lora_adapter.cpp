#include "lora_adapter.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "mobillm/error.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

LoraAdapter::LoraAdapter(Model& model, llama_adapter_lora* adapter)
    : model_(model), adapter_(adapter) {}

SequenceModel& LoraAdapter::model() { return model_; }

void LoraAdapter::free() { model_.free_adapter(*this); }

AdapterSet::AdapterSet(std::vector<AdapterUse> uses) : uses_(std::move(uses)) {
  std::ranges::sort(uses_, std::less<Adapter*>(),
                    [](const AdapterUse& use) { return use.adapter.get(); });
}

void AdapterSet::apply(llama_context* context) const {
  std::vector<llama_adapter_lora*> adapters;
  std::vector<float> scales;
  for (const AdapterUse& use : uses_) {
    adapters.push_back(static_cast<const LoraAdapter&>(*use.adapter).get());
    if (adapters.back() == nullptr) {
      throw Error(code::kClosed, "An adapter that is applied here was closed. Load it again.");
    }
    scales.push_back(use.scale);
  }
  llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data());
}

void apply_adapters(llama_context* context, const AdapterSetPtr& set) {
  if (set != nullptr) {
    set->apply(context);
  } else {
    llama_set_adapters_lora(context, nullptr, 0, nullptr);
  }
}

}  // namespace mobillm::llamacpp
