// Computes vectors and scores of texts, in a context of its own over a model's weights.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "context_options.hpp"
#include "embedding_job.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/c_ptr.hpp"
#include "offload_report.hpp"
#include "step_batch.hpp"
#include "thread_pool.hpp"

namespace mobillm::llamacpp {

// All but the constructor is for the model's thread. Freed before the model's weights and threads.
class Embedder {
 public:
  Embedder(llama_model* model, const ContextOptions& options, LayersByDevice layers,
           ThreadPool& threads, AbortFlagPtr closing);
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;
  ~Embedder();

  // Makes the context for texts of so many tokens, where the one there is does not do. Throws
  // OUT_OF_MEMORY, UNSUPPORTED.
  void prepare(std::uint32_t text_tokens, bool ranks);

  // Computes the job's next step: a few texts, or a part of a long one. Throws as `prepare`;
  // ABORTED; NATIVE_FAILURE. Several jobs are computed one after another, each to its end.
  void step(EmbeddingJob& job);

  // To be called before an adapter is freed.
  void forget_adapters();

  // Numbers of a job's row.
  std::size_t row_length(const EmbeddingJob& job) const;

  // Null where nothing was to be embedded yet.
  const llama_context* context() const { return context_.get(); }

 private:
  // A text, or a part of one, in a step.
  struct Item {
    std::size_t text = 0;
    std::size_t from = 0;
    std::size_t count = 0;
  };

  void check_memory(const EmbeddingShape& shape) const;
  void compose(const EmbeddingJob& job);
  void fill_batch(const EmbeddingJob& job);
  void decode(const EmbeddingJob& job);
  // Adds what was computed of an item, which begins at a row of the step, to the job's results.
  void collect(EmbeddingJob& job, const Item& item, std::size_t item_number, std::size_t first_row);
  const float* vector_of(std::size_t row) const;

  llama_model* model_;
  ContextOptions options_;
  LayersByDevice layers_;
  ThreadPool& threads_;
  AbortFlagPtr closing_;
  const AbortFlag* polled_ = nullptr;  // of the job whose step runs

  EmbeddingShape shape_;
  CPtr<llama_context, llama_free> context_;

  // Kept, so that a step allocates nothing.
  std::vector<Item> items_;
  StepBatch batch_;
};

// Whether a model's tokens see those behind them.
bool sees_whole_texts(const llama_model* model);

}  // namespace mobillm::llamacpp
