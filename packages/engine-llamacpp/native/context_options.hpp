// What a context is made with, for opening and for estimating alike.
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstdint>

#include "mobillm/speculation/draft_length.hpp"

namespace mobillm::llamacpp {

struct ContextOptions {
  std::uint32_t context_tokens = 0;  // of one sequence
  std::uint32_t pool_tokens = 0;     // that all share; counts as context_tokens at least
  std::uint32_t sequences = 1;
  std::uint32_t batch_tokens = 512;  // of one prefill step
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  ggml_type key_type = GGML_TYPE_F16;
  ggml_type value_type = GGML_TYPE_F16;
  bool generates = true;           // otherwise there is a context for vectors alone
  bool guesses = true;             // whether steps may have guessed tokens in them
  std::uint32_t embed_tokens = 0;  // of the longest text that room for vectors is counted for
  bool scores_texts = false;       // whether a row of logits is wanted after each token of a step
  // Asked about every node of a step, and told those that it wants; none in common use.
  ggml_backend_sched_eval_callback observer = nullptr;
  void* observer_data = nullptr;

  // Cells of the cache.
  std::uint32_t cells() const { return std::max(context_tokens, pool_tokens); }
};

// Whether a model's cache is made of keys and values by token, and not of a state that each token
// changes.
inline bool caches_by_token(const llama_model* model) {
  return !llama_model_is_recurrent(model) && !llama_model_is_hybrid(model);
}

// Sequence numbers of a context. One more than sequences, over which a cache is handed over; but
// where each has a state of its own, which would cost memory and could not be handed over anyway.
inline std::uint32_t sequence_numbers(const llama_model* model, const ContextOptions& options) {
  return options.sequences + (caches_by_token(model) ? 1 : 0);
}

// Rows of logits that a step gives at most: one a sequence; or, where one sequence has a step to
// itself and its cache can be cut back, one behind each guessed token, too. The library wants a row
// a sequence number.
inline std::uint32_t output_rows(const llama_model* model, const ContextOptions& options) {
  const std::uint32_t numbers = sequence_numbers(model, options);
  if (!options.guesses || !caches_by_token(model)) return numbers;
  const auto guessing = static_cast<std::uint32_t>(kMostDraftTokens + 1);
  return std::max(numbers, std::min(guessing, options.batch_tokens));
}

// Bytes of the rows that the library keeps only once a step has guessed tokens in it, and does not
// count before.
inline std::uint64_t draft_output_bytes(const llama_model* model, const ContextOptions& options,
                                        std::uint64_t vocabulary_size) {
  const std::uint64_t rows = output_rows(model, options) - sequence_numbers(model, options);
  return rows * vocabulary_size * sizeof(float);
}

// The library's parameters for these options.
inline llama_context_params to_params(const llama_model* model, const ContextOptions& options) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = options.cells();
  params.n_batch = options.batch_tokens;
  params.n_ubatch = options.batch_tokens;
  params.n_seq_max = sequence_numbers(model, options);
  params.n_outputs_max = options.scores_texts ? options.batch_tokens : output_rows(model, options);
  params.cb_eval = options.observer;
  params.cb_eval_user_data = options.observer_data;
  // One pool: a conversation can use the whole context while the others are short.
  params.kv_unified = true;
  // Without it a model with a sliding window forgets what lies before the window, and a sequence
  // could not be cut back.
  params.swa_full = true;
  params.flash_attn_type = options.flash_attention;
  params.type_k = options.key_type;
  params.type_v = options.value_type;
  params.no_perf = true;
  return params;
}

// Texts of one step that vectors are computed of. Models whose state each token changes keep one a
// text.
inline std::uint32_t embedded_texts(const llama_model* model) {
  return caches_by_token(model) ? 16 : 1;
}

// What a context for vectors is made with.
struct EmbeddingShape {
  std::uint32_t text_tokens = 0;  // of the longest text
  // Whether a token sees those behind it: then a text has to be computed in one step.
  bool whole_texts = false;
  // Whether the model's own head scores a text, instead of its tokens' vectors being read.
  bool ranks = false;
};

// Tokens of one step of such a context. The library keeps a row of logits for each, whether or not
// anybody wants them, so it is no more than what computes well.
inline std::uint32_t embedding_step_tokens(const ContextOptions& options,
                                           const EmbeddingShape& shape) {
  const std::uint32_t good = std::min<std::uint32_t>(options.batch_tokens, 128);
  return shape.whole_texts ? std::max(good, shape.text_tokens) : good;
}

// The library's parameters for such a context.
inline llama_context_params to_params(const llama_model* model, const ContextOptions& options,
                                      const EmbeddingShape& shape) {
  llama_context_params params = to_params(model, options);
  const std::uint32_t step = embedding_step_tokens(options, shape);
  params.n_ctx = std::max(step, shape.text_tokens);
  params.n_batch = step;
  params.n_ubatch = step;
  // The library wants a row of a step for each.
  params.n_seq_max = std::min(embedded_texts(model), step);
  params.n_outputs_max = 0;  // as many as tokens
  params.embeddings = true;
  // Never the file's own, which may be no number that the library knows: vectors of tokens are
  // pooled here.
  params.pooling_type = shape.ranks ? LLAMA_POOLING_TYPE_RANK : LLAMA_POOLING_TYPE_NONE;
  return params;
}

// Bytes of the rows that the library keeps of a step: logits and vectors of each token.
inline std::uint64_t embedding_output_bytes(const llama_model* model, std::uint64_t vocabulary_size,
                                            std::uint32_t step_tokens) {
  const auto length = static_cast<std::uint64_t>(llama_model_n_embd_out(model));
  return (vocabulary_size + length) * step_tokens * sizeof(float);
}

}  // namespace mobillm::llamacpp
