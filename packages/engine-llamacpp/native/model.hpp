// A loaded model: weights, context, and the one thread that touches them.
#pragma once

#include <llama.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checked_file.hpp"
#include "context_options.hpp"
#include "draft_model.hpp"
#include "embedder.hpp"
#include "kv_hand_over.hpp"
#include "lora_adapter.hpp"
#include "memory_estimate.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/sequence.hpp"
#include "mobillm/serial_worker.hpp"
#include "offload.hpp"
#include "offload_report.hpp"
#include "step_batch.hpp"
#include "thread_pool.hpp"
#include "tuning.hpp"
#include "vocabulary.hpp"

namespace mobillm::llamacpp {

// Where weights lie.
enum class WeightPlace {
  kMapped,  // in the page cache, read as they are needed
  kCopied,  // in memory of the process's own
  kLocked,  // the same, and never swapped
};

struct OpenOptions {
  ModelFile source;
  ContextOptions context;
  Offload offload;
  std::optional<ModelFile> draft;  // of a smaller model, which guesses tokens ahead
  TuningOptions tuning;
  WeightPlace weights = WeightPlace::kMapped;
  // Told the loaded share, from 0 to 1, on the model's thread.
  std::function<void(float)> on_progress;
};

// What is known of an open model. Constant, but `threads`.
struct ModelFacts {
  std::string architecture;
  std::string name;           // empty where the file holds none
  std::string chat_template;  // empty where the file holds none
  std::string rerank_template;
  std::uint32_t trained_context_tokens = 0;
  std::uint32_t context_tokens = 0;  // of one sequence
  std::uint32_t pool_tokens = 0;     // of all together
  std::int32_t layers = 0;
  LayersByDevice layers_by_device;
  std::uint64_t parameter_count = 0;
  std::uint64_t weight_bytes = 0;
  std::uint32_t embedding_length = 0;  // of the vector of a text
};

// Made on the JavaScript thread; `load` and everything that touches the context runs as jobs of
// `worker()`. Sequences hold a share of it.
class Model final : public SequenceModel {
 public:
  explicit Model(OpenOptions options);
  ~Model() override;

  SerialWorker& worker() override { return worker_; }
  // Encodes long texts while the other one computes. `free` stops it first.
  SerialWorker& text_worker() { return text_worker_; }
  // Ends what is measured beside the answers; on any thread but its own, and in `free` anyway.
  void stop_tuning() noexcept { tuning_.stop(); }

  // Jobs ------------------------------------------------------------------------------------------

  // Loads weights and makes the context. Throws MODEL_UNSUPPORTED, OUT_OF_MEMORY, UNSUPPORTED,
  // NATIVE_FAILURE, and ABORTED after `abort_all`.
  void load();

  // Frees context and weights. Generations have ended before: `abort_all` was called.
  void free();

  // Computes the next step of vectors or scores; jobs one after another. Throws as Embedder::step,
  // and CLOSED after `free`.
  void embed(EmbeddingJob& job);
  // Numbers of a job's row.
  std::size_t row_length(const EmbeddingJob& job);

  // Loads an adapter whose tensors, as weights, take so much of each device. Throws
  // MODEL_UNSUPPORTED, OUT_OF_MEMORY, INTEGRITY_FAILED, FILE_NOT_FOUND; CLOSED after `free`.
  std::shared_ptr<LoraAdapter> load_adapter(const CheckedFile& file,
                                            const std::vector<DeviceMemory>& needed);
  void free_adapter(LoraAdapter& adapter);
  // The set of some adapters, which is the same object for all that have it.
  AdapterSetPtr adapter_set(const std::vector<AdapterUse>& uses);

  // Changes threads and the size of a prefill step; 0 leaves either as it is.
  void adjust(int threads, std::uint32_t batch_tokens);

  // What weights and contexts take now, as the library has allocated it, but the output; the CPU's
  // is the first row. Throws CLOSED after `free`.
  std::vector<DeviceMemory> memory();

  // The context, for sequences of a model that generates; throws CLOSED after `free`.
  llama_context* context() const;

  std::size_t step_tokens() const override { return batch_tokens_; }
  std::size_t step_sequences() const override { return options_.context.sequences; }
  std::size_t step_logit_rows() const override { return cuts_back() ? kMostDraftTokens + 1 : 1; }
  StepStatus compute(std::span<const StepItem> items) override;
  const float* logits(std::size_t item, std::size_t row) override;
  std::unique_ptr<TokenSampler> make_sampler(const SamplingOptions& options,
                                             std::span<const Token> history) override;
  std::unique_ptr<Drafter> make_drafter(const AbortFlag& abort) override;
  TokenBytes token_bytes() override;

  // Rotates the keys of tokens that were moved to their new places. The library does that with its
  // next step, in place: one that somebody aborts would leave a part of them rotated, and the step
  // after it rotate that part once more. There has to be a free cell.
  void apply_moves();
  // Whether a sequence's cache can be cut within. After `load` only.
  bool cuts_back() const { return caches_by_token(model_.get()); }

  // Any thread ------------------------------------------------------------------------------------

  // After `load` only.
  const ModelFacts& facts() const { return facts_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  std::int32_t vocabulary_size() const override { return vocabulary_->size(); }
  std::int32_t context_tokens() const override {
    return static_cast<std::int32_t>(facts_.context_tokens);
  }
  KvHandOver& kv_hand_over() { return *kv_hand_over_; }
  int threads() const { return threads_.load(std::memory_order_relaxed); }
  const ContextOptions& context_options() const { return options_.context; }

  TuningFacts tuning() const { return tuning_.facts(); }

  // Ends the loading, or the step that runs, soon. For good: the model is about to be freed.
  void abort_all() { closing_->set(); }
  bool aborted() const override { return closing_->is_set(); }
  const AbortFlagPtr& closing() const { return closing_; }

  // Takes a free sequence number; empty when all are in use. Give it back when the sequence's part
  // of the cache is empty again.
  std::optional<llama_seq_id> take_sequence_id();
  void return_sequence_id(llama_seq_id id);

 private:
  // Fits the offload to the memory of its devices.
  void settle_offload();
  void check_memory_for_weights() const;
  void check_memory_for_context() const;
  // The parts of `load`.
  void load_weights();
  void require_usable() const;
  void make_context();
  void load_draft();
  void learn_facts();
  Embedder& embedder();
  // Whether somebody wants the running step to end.
  bool step_aborted() const;

  OpenOptions options_;
  AbortFlagPtr closing_ = std::make_shared<AbortFlag>();
  // Model's thread: whose flags the running step looks at.
  std::span<const StepItem> polled_;
  StepBatch batch_;

  ModelFacts facts_;
  Tuning tuning_;
  std::atomic<int> threads_{0};
  std::uint32_t batch_tokens_ = 0;

  std::vector<std::shared_ptr<LoraAdapter>> adapters_;
  std::vector<std::weak_ptr<const AdapterSet>> adapter_sets_;

  // Freed in the opposite order: contexts, threads, weights.
  CPtr<llama_model, llama_model_free> model_;
  std::optional<Vocabulary> vocabulary_;
  std::optional<KvHandOver> kv_hand_over_;
  ThreadPool thread_pool_;
  CPtr<llama_context, llama_free> context_;  // null where the model does not generate
  std::optional<Embedder> embedder_;
  std::optional<DraftModel> draft_;

  std::mutex ids_mutex_;
  std::vector<llama_seq_id> free_ids_;

  // Last: stopped first, so no job outlives what it uses.
  SerialWorker text_worker_;
  SerialWorker worker_;
};

}  // namespace mobillm::llamacpp
