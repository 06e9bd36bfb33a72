// One sequence of a model: a KV cache of its own and the tokens in it.
#pragma once

#include <memory>
#include <optional>

#include "kv_cache.hpp"
#include "mobillm/sequence.hpp"
#include "model.hpp"

namespace mobillm::mlc {

class MlcSequence final : public Sequence {
 public:
  // Model's thread. A place was taken from the model; `release` gives it back.
  explicit MlcSequence(std::shared_ptr<Model> model);

  SequenceModel& model() override { return *model_; }
  // Computes a step; see SequenceModel::compute. On a failure the sequence is empty.
  StepStatus append(std::span<const Token> tokens, const AbortFlag& abort);
  // The row after the last appended token; good until the next step of any sequence.
  const float* logits() const { return logits_; }
  std::int32_t truncate(std::int32_t count) override;
  void release() override;

  KvShape kv_shape() const override { return model_->kv_shape(); }
  void export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) override;
  void import_kv(const KvView& in, std::span<const Token> tokens, const AbortFlag& abort) override;

 private:
  KvCache& cache();
  // Begins anew after a failure in the middle of a step.
  void reset() noexcept;

  std::shared_ptr<Model> model_;
  std::optional<KvCache> cache_;  // none after a failure, until the next step
  const float* logits_ = nullptr;
};

}  // namespace mobillm::mlc
