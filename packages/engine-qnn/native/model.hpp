// An open model: context, graphs, and the one thread that touches them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "context_binary.hpp"
#include "library.hpp"
#include "llama_runner.hpp"
#include "llama_shape.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/sequence.hpp"
#include "rope_table.hpp"

namespace mobillm::qnn {

// The two libraries that everything is made with.
struct Libraries {
  std::shared_ptr<const Library> backend;
  std::shared_ptr<const SystemLibrary> system;
};

struct OpenOptions {
  RecordedFile binary;
  MadeWith made_with;
  LlamaShape shape;
  double rope_base = 0;
  double rope_scale = 1;
  std::uint32_t compiled_context_tokens = 0;
  std::vector<GraphPlan> graphs;
  std::uint32_t context_tokens = 0;  // of one sequence; at most the compiled ones
  std::uint32_t sequences = 1;
  // Told the loaded share, from 0 to 1, on the model's thread.
  std::function<void(float)> on_progress;
};

// Made on the JavaScript thread; `load` and everything that touches the context runs as jobs of
// `worker()`. Sequences hold a share of it.
class Model final : public SequenceModel {
 public:
  // Throws InvalidArgument for options that contradict each other.
  Model(Libraries libraries, OpenOptions options);
  ~Model() override;

  // Jobs ------------------------------------------------------------------------------------------

  // Reads, checks and loads the context binary. Throws FILE_NOT_FOUND, INTEGRITY_FAILED,
  // MODEL_INVALID, MODEL_UNSUPPORTED, OUT_OF_MEMORY, NATIVE_FAILURE, and ABORTED after `abort_all`.
  void load();

  // Frees the context. Generations have ended before: `abort_all` was called.
  void free();

  // Runs the graph that suits `tokens` best after `past` tokens, with as many of them as it takes,
  // and returns how many those are. With `logits`, the row after the last of them is kept. Throws
  // CLOSED after `free`.
  std::uint32_t step(SequenceId sequence, KvCache& cache, std::uint32_t past,
                     std::span<const Token> tokens, bool wants_logits);

  // A sequence's cache was cut to its first `count` tokens, or changed behind them.
  void forget(SequenceId sequence, std::uint32_t count);

  std::size_t step_tokens() const override;
  StepStatus compute(std::span<const StepItem> items) override;
  const float* logits(std::size_t, std::size_t) override { return logits_.data(); }

  // Any thread ------------------------------------------------------------------------------------

  SerialWorker& worker() override { return worker_; }
  bool aborted() const override { return closing_->is_set(); }
  std::int32_t vocabulary_size() const override {
    return static_cast<std::int32_t>(options_.shape.vocabulary_size);
  }
  std::int32_t context_tokens() const override {
    return static_cast<std::int32_t>(options_.context_tokens);
  }
  const OpenOptions& options() const { return options_; }

  // After `load` only.
  const Target& target() const { return target_; }
  std::size_t buffer_bytes() const;

  // Ends the loading, or the step that runs, soon. For good: the model is about to be freed.
  void abort_all() { closing_->set(); }

  // An empty cache for a sequence; counted until `return_place`. Throws BUSY when all are in use.
  KvCache take_place();
  void return_place() { places_taken_.fetch_sub(1); }

 private:
  void progress(float share) const;
  LlamaRunner& runner_for(std::uint32_t past, std::size_t tokens);

  const Libraries libraries_;
  const OpenOptions options_;
  const AbortFlagPtr closing_ = std::make_shared<AbortFlag>();
  std::atomic<std::uint32_t> places_taken_{0};

  // Model's thread. Freed in the opposite order.
  Target target_;
  RopeTable rope_;
  std::unique_ptr<Context> context_;
  std::vector<std::unique_ptr<LlamaRunner>> runners_;  // those of fewer tokens first
  std::vector<float> logits_;

  SerialWorker worker_;  // last: stopped first, so no job outlives what it uses
};

}  // namespace mobillm::qnn
