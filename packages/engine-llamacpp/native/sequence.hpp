// One sequence of a model: its part of the KV cache and the tokens in it.
#pragma once

#include <llama.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "status.hpp"

namespace mobillm::llamacpp {

class Model;

// Everything but `token_count` runs on the model's thread.
class Sequence {
 public:
  // `id` was taken from the model; `release` gives it back.
  Sequence(std::shared_ptr<Model> model, llama_seq_id id);
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  Model& model() { return *model_; }

  // Tokens in the cache; any thread.
  std::int32_t token_count() const { return token_count_.load(std::memory_order_relaxed); }

  // The tokens in the cache, in order.
  const std::vector<llama_token>& tokens() const { return tokens_; }

  // Computes keys and values of more tokens, at most one step of them. With `wants_logits`,
  // `logits()` is the row after the last one. On anything but kDone the cache is as it was before,
  // or empty where the model's architecture cannot be cut back.
  DecodeStatus append(const llama_token* tokens, std::size_t count, bool wants_logits,
                      const AbortFlag& abort);

  // Logits after the last appended token; good until the next step of any sequence.
  const float* logits() const;

  // Cuts the cache to its first `count` tokens, or to none where the architecture can only start
  // over; returns how many are left.
  std::int32_t truncate(std::int32_t count);

  // Empties the cache and gives the number back. The sequence is not used any more.
  void release();

 private:
  void publish();

  std::shared_ptr<Model> model_;
  llama_seq_id id_;
  std::vector<llama_token> tokens_;
  std::atomic<std::int32_t> token_count_{0};
};

}  // namespace mobillm::llamacpp
