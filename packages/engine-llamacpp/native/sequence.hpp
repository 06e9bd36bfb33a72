// One sequence of a model: its part of the KV cache and the tokens in it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
  StepStatus append(std::span<const Token> tokens, bool wants_logits,
                    const AbortFlag& abort) override;
  const float* logits() override;
  std::int32_t truncate(std::int32_t count) override;
  void release() override;

  KvShape kv_shape() const override;
  void export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) override;
  void import_kv(const KvView& in, std::span<const Token> tokens, const AbortFlag& abort) override;

 private:
  // The arrays of a `llama_batch`, kept so that a step allocates nothing.
  struct Batch {
    std::vector<llama_token> tokens;
    std::vector<llama_pos> positions;
    std::vector<std::int32_t> id_counts;
    std::vector<llama_seq_id*> ids;
    std::vector<std::int8_t> outputs;
  };

  std::shared_ptr<Model> model_;
  llama_seq_id id_;
  Batch batch_;
};

}  // namespace mobillm::llamacpp
