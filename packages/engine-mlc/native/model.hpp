// An open model: weights, executable code, and the one thread that touches them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kv_cache.hpp"
#include "mobillm/sequence.hpp"
#include "model_library.hpp"
#include "tensor_cache.hpp"

namespace mobillm::mlc {

// Rotation of cached keys, as far as the runtime does not tell it.
struct RopeFacts {
  KvPairing pairing = KvPairing::kNeox;
  std::int32_t rotated_length = 0;
};

struct OpenOptions {
  LibraryFile library;
  int threads = 1;
  std::int32_t context_tokens = 0;
  std::int32_t sequences = 1;
  std::uint32_t step_tokens = 1;  // at opening; never more than the compiled chunk
  // Told the loaded share, from 0 to 1, on the model's thread.
  std::function<void(float)> on_progress;
};

// What TypeScript has read from the model's folder and from the library's own metadata.
struct WeightsOptions {
  TensorCache cache;
  std::int32_t vocabulary_size = 0;
  std::uint32_t chunk_tokens = 0;  // most tokens of one step, as compiled
  std::optional<RopeFacts> rope;   // none: caches cannot be handed over
};

// Made on the JavaScript thread. What is marked as a job runs on `worker()`; sequences hold a share
// of it.
class Model final : public SequenceModel {
 public:
  explicit Model(OpenOptions options);
  ~Model() override;

  // Jobs ------------------------------------------------------------------------------------------

  // Loads the executable code; returns what its compiler noted, as JSON.
  std::string load_library();

  // Loads the weights, and computes one token, so that a model that does not fit what was said of
  // it is found now. Throws MODEL_INVALID, MODEL_UNSUPPORTED, what `load_parameters` throws, and
  // ABORTED after `abort_all`.
  void load_weights(const WeightsOptions& options);

  // Frees everything. Generations have ended before: `abort_all` was called.
  void free();

  // Changes threads and the size of a prefill step; 0 leaves either as it is.
  void adjust(int threads, std::uint32_t step_tokens);

  // An empty cache for a sequence.
  KvCache make_cache() const;

  // Computes tokens into a cache and returns the logits after the last one, good until the next
  // call. When it throws, the cache is of no use any more.
  const float* forward(KvCache& cache, std::span<const Token> tokens);

  std::size_t step_tokens() const override { return step_tokens_; }
  StepStatus compute(std::span<const StepItem> items) override;
  const float* logits(std::size_t, std::size_t) override { return logits_; }

  // Any thread ------------------------------------------------------------------------------------

  SerialWorker& worker() override { return worker_; }
  bool aborted() const override { return closing_.is_set(); }
  std::int32_t vocabulary_size() const override { return vocabulary_size_; }
  std::int32_t context_tokens() const override { return options_.context_tokens; }
  const OpenOptions& options() const { return options_; }
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  // Ends the loading, or the step that runs, soon. For good: the model is about to be freed.
  void abort_all() { closing_.set(); }

  // Takes one of the places for sequences; false when all are in use.
  bool take_place();
  void return_place() { --taken_places_; }

  // After `load_weights`. Throws UNSUPPORTED where caches cannot be handed over.
  const KvShape& kv_shape() const;
  const KvLayout& kv_layout() const { return layout_; }
  // Number format of cached keys and values; none where the runtime does not tell it.
  std::optional<KvDtype> kv_dtype() const { return kv_dtype_; }

 private:
  // The runtime's functions, and what of a model the steps use.
  struct Loaded;

  void probe();
  void describe_cache(const KvCache& cache);
  Loaded& loaded() const;

  const OpenOptions options_;
  AbortFlag closing_;
  std::int32_t vocabulary_size_ = 0;
  std::uint32_t chunk_tokens_ = 0;
  std::atomic<std::uint32_t> step_tokens_;
  const float* logits_ = nullptr;  // of the latest step
  std::atomic<int> threads_;
  std::atomic<std::int32_t> taken_places_{0};

  std::optional<RopeFacts> rope_;
  KvLayout layout_;
  std::optional<KvDtype> kv_dtype_;
  KvShape kv_shape_;
  std::string kv_refusal_;  // why caches cannot be handed over; empty where they can

  std::unique_ptr<Loaded> loaded_;  // model's thread; null before loading and after `free`

  SerialWorker worker_;  // last: stopped first, so no job outlives what it uses
};

}  // namespace mobillm::mlc
