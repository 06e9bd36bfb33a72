// What a model computes with where that is left to the engine: threads, processors, the kind of
// attention. Measured after the first answer, kept between processes.
#pragma once

#include <llama.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "affinity.hpp"
#include "calibration_file.hpp"
#include "context_options.hpp"
#include "cpu_load.hpp"
#include "idle_worker.hpp"
#include "memory_estimate.hpp"
#include "mobillm/sequence.hpp"
#include "offload.hpp"
#include "processors.hpp"
#include "thread_governor.hpp"

namespace mobillm::llamacpp {

// What its user leaves to the engine.
struct TuningOptions {
  int threads = 0;  // 0: the engine's choice
  Affinity affinity = Affinity::kAuto;
  bool calibrates = true;
  // Where measurements are kept; empty for the folder that the environment names.
  std::string folder;
  // As for `read_processors`: another machine's files, for tests.
  std::string system_root;
};

// Whether models are measured whose user does not say: not where the environment variable
// MOBILLM_LLAMACPP_CALIBRATE is `off`.
bool calibrates_by_default();

// Which model it is, as far as speed goes.
struct TunedModel {
  std::string architecture;
  std::uint32_t vocabulary_size = 0;
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;  // of a layer, for queries; 0: not known
  std::uint64_t file_bytes = 0;
  bool cpu_only = true;
  bool repacked = true;
};

TunedModel tuned_model(const ModelFile& file, const Offload& offload);

// Where a value comes from.
enum class Source {
  kGiven,       // the user's
  kDefault,     // the engine's or the library's, nothing being measured
  kMeasured,    // here
  kCached,      // here, by an earlier process
  kRequired,    // there is no other for these options
  kContention,  // fewer than would be best, because others use the processors
};

struct TuningFacts {
  Source threads = Source::kDefault;
  // Whether attention is computed by blocks, and what the next opening takes where that was
  // measured since.
  bool flash = true;
  Source flash_source = Source::kDefault;
  std::optional<bool> flash_measured;
  // What threads are kept to; empty where they are not.
  ProcessorList processors;
  // Whether something is still to be measured once the model rests.
  bool calibrating = false;
};

// Where a model's measurements are kept on a machine of these processors.
CalibrationFile calibration_file(const TunedModel& model, const ContextOptions& context,
                                 const Processors& processors, const TuningOptions& options);

// The kind of attention for these options; also for an estimate, which has to count what `open`
// will take. Where the user leaves it to the engine, it is on the CPU what was measured before, and
// a matrix of scores where nothing was: attention by blocks computes steps of 2 to 63 tokens row by
// row, which is what the next message of a chat is made of. Other devices, matrices that take much
// memory, and models made for vectors alone keep the library's choice.
llama_flash_attn_type resolve_flash_attention(const TunedModel& model,
                                              const ContextOptions& context,
                                              const TuningOptions& options);

// One a model.
class Tuning {
 public:
  // `post` has a job run on the model's thread.
  Tuning(TuningOptions options, TunedModel model, std::function<void(std::function<void()>)> post);
  Tuning(const Tuning&) = delete;
  Tuning& operator=(const Tuning&) = delete;
  ~Tuning() { stop(); }

  // Model's thread --------------------------------------------------------------------------------

  // Before contexts are made: settles `context.flash_attention`.
  void begin(ContextOptions& context);

  // Another model, as far as speed goes, than the one so far; followed by `begin`.
  void take_model(TunedModel model) { model_ = std::move(model); }
  // What the library logged when it made the context: whether it took another kind of attention.
  void read_context_log(const std::string& log);
  // Chooses the threads to begin with, and has `resize` make them, here and whenever that changes.
  // From now on it measures, once somebody was answered.
  void start(llama_model* model, const ContextOptions& context, const CpuLoadProbe& load,
             std::function<void(int)> resize);
  // Takes the user's word from now on.
  void use_threads(int threads);

  // Around everything that computes: measuring makes way.
  Activity::Busy busy() const { return Activity::Busy(Activity::of_process()); }
  // Takes how long a step took, and changes threads where that tells to.
  void after_step(std::span<const StepItem> items, double milliseconds);

  // Ends measuring soon, and waits for that. Before the model is freed.
  void stop() noexcept { worker_.stop(); }

  // Any thread ------------------------------------------------------------------------------------

  TuningFacts facts() const;

 private:
  // Makes that many threads, on the processors that fit them.
  void resize(int threads);
  // The most threads worth trying before anything is measured.
  int default_limit() const;

  // On its own thread: measures what is to be; returns whether all is done.
  bool measure(const IdleWorker& self);
  std::vector<int> counts_to_try() const;
  // Keeps what was measured for later; and threads for now, flash attention for the next opening.
  void keep(const Calibration& measured, bool flash);
  // On the model's thread: goes on with as many threads as were found best.
  void take(const Calibration& measured);

  const TuningOptions options_;
  TunedModel model_;  // constant after `begin`
  const std::function<void(std::function<void()>)> post_;

  // Set by `begin` and `start`, constant then.
  Processors processors_;
  std::optional<CalibrationFile> file_;
  llama_model* weights_ = nullptr;
  ContextOptions context_;
  std::function<void(int)> resize_;
  int most_threads_ = 1;  // worth measuring

  // Model's thread.
  ThreadGovernor governor_{1, 1};
  bool governs_ = false;
  bool answered_ = false;

  mutable std::mutex mutex_;
  TuningFacts facts_;
  Calibration calibration_;
  // What is still to be measured.
  bool wants_threads_ = false;
  bool wants_flash_ = false;
  int threads_ = 1;
  Source base_source_ = Source::kDefault;  // of the threads while nobody is in the way

  // The measuring thread.
  int interruptions_ = 0;

  // Last: stopped first.
  IdleWorker worker_;
};

}  // namespace mobillm::llamacpp
