// One sequence of a model: its keys and values in ordinary memory, and the tokens they stand for.
#pragma once

#include <memory>
#include <optional>

#include "kv_cache.hpp"
#include "llama_runner.hpp"
#include "mobillm/sequence.hpp"
#include "model.hpp"

namespace mobillm::qnn {

class ModelSequence final : public Sequence {
 public:
  // Takes one of the model's places. Throws BUSY, OUT_OF_MEMORY.
  explicit ModelSequence(std::shared_ptr<Model> model);

  SequenceModel& model() override { return *model_; }
  // Computes a step; see SequenceModel::compute.
  StepStatus append(std::span<const Token> tokens, bool wants_logits, const AbortFlag& abort);
  std::int32_t truncate(std::int32_t count) override;
  bool copy_from(const Sequence& source, std::int32_t count) override;
  void release() override;

  KvShape kv_shape() const override;
  void export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) override;
  void import_kv(const KvView& in, std::span<const Token> tokens, const AbortFlag& abort) override;

 private:
  // The cache; throws CLOSED after `release`.
  KvCache& cache();

  std::shared_ptr<Model> model_;
  const SequenceId id_;
  std::optional<KvCache> cache_;
};

}  // namespace mobillm::qnn
