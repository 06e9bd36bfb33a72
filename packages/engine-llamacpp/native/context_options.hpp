// What a context is made with, for opening and for estimating alike.
#pragma once

#include <llama.h>

#include <cstdint>

namespace mobillm::llamacpp {

struct ContextOptions {
  std::uint32_t context_tokens = 0;  // of one sequence; all share a pool of as many
  std::uint32_t sequences = 1;
  std::uint32_t batch_tokens = 512;  // of one prefill step
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  ggml_type key_type = GGML_TYPE_F16;
  ggml_type value_type = GGML_TYPE_F16;
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

// The library's parameters for these options.
inline llama_context_params to_params(const llama_model* model, const ContextOptions& options) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = options.context_tokens;
  params.n_batch = options.batch_tokens;
  params.n_ubatch = options.batch_tokens;
  params.n_seq_max = sequence_numbers(model, options);
  // Only the last token of a step is ever sampled from. The library wants a row a sequence number.
  params.n_outputs_max = params.n_seq_max;
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

}  // namespace mobillm::llamacpp
