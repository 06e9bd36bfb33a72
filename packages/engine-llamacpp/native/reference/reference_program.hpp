// What the programs that know llama.cpp alone have in common.
#pragma once

#include <llama.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

// CPU time of the whole process: ggml's threads compute, too.
inline double cpu_ms() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

[[noreturn]] inline void fail(const std::string& sentence) {
  std::cerr << sentence << '\n';
  std::exit(1);
}

// A context that measures nothing itself, and computes as many tokens at once as it takes.
inline llama_context* make_context(llama_model* model, std::uint32_t context_tokens,
                                   std::uint32_t batch_tokens, int threads,
                                   llama_flash_attn_type flash_attention) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = context_tokens;
  params.n_batch = batch_tokens;
  params.n_ubatch = batch_tokens;
  params.n_threads = threads;
  params.n_threads_batch = threads;
  params.flash_attn_type = flash_attention;
  params.no_perf = true;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) fail("the context could not be made");
  return context;
}
