// One sequence of a model: its part of the KV cache and the tokens in it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lora_adapter.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/sequence.hpp"

namespace mobillm::llamacpp {

class Model;

// A sequence number of the model's context.
class LlamaSequence final : public Sequence {
 public:
  // `id` was taken from the model; `release` gives it back.
  LlamaSequence(std::shared_ptr<Model> model, llama_seq_id id);

  SequenceModel& model() override;
  llama_seq_id id() const { return id_; }
  // Notes that a step put tokens into the cache.
  void add(std::span<const Token> tokens);
  std::int32_t truncate(std::int32_t count) override;
  bool copy_from(const Sequence& source, std::int32_t count) override;
  bool remove_tokens(std::int32_t from, std::int32_t to) override;
  void set_adapters(std::vector<AdapterUse> uses) override;
  std::uintptr_t step_group() const noexcept override {
    return reinterpret_cast<std::uintptr_t>(adapters_.get());
  }
  const AdapterSetPtr& adapters() const { return adapters_; }
  void release() override;

  KvShape kv_shape() const override;
  void export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) override;
  void import_kv(const KvView& in, std::span<const Token> tokens, const AbortFlag& abort) override;

 private:
  // Whether the library's cache has the first `count` tokens, all of them and no more.
  bool holds(std::int32_t count) const;

  std::shared_ptr<Model> model_;
  llama_seq_id id_;
  AdapterSetPtr adapters_;
};

}  // namespace mobillm::llamacpp
