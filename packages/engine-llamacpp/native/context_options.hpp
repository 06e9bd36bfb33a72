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

// The library's parameters for these options.
inline llama_context_params to_params(const ContextOptions& options) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = options.context_tokens;
  params.n_batch = options.batch_tokens;
  params.n_ubatch = options.batch_tokens;
  params.n_seq_max = options.sequences;
  // Only the last token of a step is ever sampled from, so the output buffer needs one row.
  params.n_outputs_max = options.sequences;
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
