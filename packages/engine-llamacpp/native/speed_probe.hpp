// Measures how fast a model computes, in contexts of its own beside the one that answers.
#pragma once

#include <llama.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "context_options.hpp"
#include "mobillm/c_ptr.hpp"
#include "thread_pool.hpp"

namespace mobillm::llamacpp {

// What is measured, and who may end it: asked often, on the measuring thread.
struct ProbeSubject {
  llama_model* model = nullptr;
  ContextOptions options;
  std::function<bool()> interrupted;
};

// Whether the memory of a probe's context is a small part of what is free.
bool affords_probe(const ProbeSubject& subject);

// A context of some hundred tokens. To be used on one thread.
class SpeedProbe {
 public:
  // Throws what making a context does.
  SpeedProbe(const ProbeSubject& subject, llama_flash_attn_type flash_attention);
  ~SpeedProbe();
  SpeedProbe(const SpeedProbe&) = delete;
  SpeedProbe& operator=(const SpeedProbe&) = delete;

  void use_threads(int threads) { threads_.resize(threads); }
  // Computes so many tokens in one step behind those that are there, and returns how many
  // milliseconds that took; empty where it was interrupted, or there is no room.
  std::optional<double> compute(std::uint32_t tokens);
  std::uint32_t tokens() const { return tokens_; }

 private:
  const ProbeSubject& subject_;
  // Freed in the opposite order: the context, then its threads.
  ThreadPool threads_;
  CPtr<llama_context, llama_free> context_;
  std::uint32_t tokens_ = 0;
};

// The fewest of these counts of threads that decode as fast as any; empty where it was interrupted.
// Takes some seconds at most, unless single steps take that long.
std::optional<int> measure_threads(const ProbeSubject& subject, llama_flash_attn_type flash,
                                   const std::vector<int>& counts);

// What a conversation of some turns takes, computed with attention by blocks and with a matrix of
// scores.
struct AttentionTimes {
  double with_blocks_ms = 0;
  double with_matrix_ms = 0;
};
std::optional<AttentionTimes> measure_attention(const ProbeSubject& subject, int threads);

// The count to take of those with such times: the fewest within a few per cent of the fastest.
int choose_count(const std::vector<int>& counts, const std::vector<double>& milliseconds);
// Whether to take attention by blocks: where it gains more than a few per cent over a matrix of
// scores, which is what is taken before anything is measured.
bool choose_blocks(const AttentionTimes& times);

}  // namespace mobillm::llamacpp
