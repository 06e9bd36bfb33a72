// LoRA adapters of a model, and sets of them as sequences have them applied.
#pragma once

#include <llama.h>

#include <memory>
#include <vector>

#include "mobillm/adapter.hpp"
#include "mobillm/c_ptr.hpp"

namespace mobillm::llamacpp {

class Model;

// All but the constructor is for the model's thread. The model it is of lives longer.
class LoraAdapter final : public Adapter {
 public:
  // Takes the library's adapter over.
  LoraAdapter(Model& model, llama_adapter_lora* adapter);

  SequenceModel& model() override;
  void free() override;

  // Null after `free`.
  llama_adapter_lora* get() const { return adapter_.get(); }

 private:
  friend class Model;

  Model& model_;
  CPtr<llama_adapter_lora, llama_adapter_lora_free> adapter_;
};

// Adapters with their scales; never empty. The same ones are the same set, in whatever order they
// were named.
class AdapterSet {
 public:
  // All are LoraAdapters of one model, none twice.
  explicit AdapterSet(std::vector<AdapterUse> uses);

  bool operator==(const AdapterSet&) const = default;

  // Has them, and no others, applied by a context from its next step on. Throws CLOSED where one
  // was freed.
  void apply(llama_context* context) const;

 private:
  std::vector<AdapterUse> uses_;  // in the order of their places in memory
};

// Null for no adapters.
using AdapterSetPtr = std::shared_ptr<const AdapterSet>;

// The same for a set that may be none.
void apply_adapters(llama_context* context, const AdapterSetPtr& set);

}  // namespace mobillm::llamacpp
