#include "tuning.hpp"

#include <ggml.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "devices.hpp"
#include "library.hpp"
#include "speed_probe.hpp"

namespace mobillm::llamacpp {

namespace {

// How long a model has to rest before anything is measured: somebody who goes on at once is not
// measured against.
constexpr std::chrono::milliseconds kRest{500};
// After so many attempts that somebody cut short, nothing is measured in this process.
constexpr int kMostInterruptions = 5;
// Processors that others may keep busy without that a measurement is one of contention.
constexpr double kQuietProcessors = 0.25;
// What a matrix of scores may take.
constexpr std::uint64_t kMatrixBytes = std::uint64_t{128} << 20;

bool is_quantized(ggml_type type) { return ggml_is_quantized(type); }

// All that a measurement depends on.
std::string calibration_key(const TunedModel& model, const ContextOptions& context,
                            const Processors& processors) {
  const char* name = ggml_backend_dev_description(cpu_device());
  return library_description() + " " + library_build() + " | " + (name == nullptr ? "" : name) +
         " processors " + format_processor_list(processors.allowed) + " fast " +
         format_processor_list(processors.fast) + " at once " +
         std::to_string(allowed_processors()) + " | " + model.architecture + " layers " +
         std::to_string(model.layers) + " vocabulary " + std::to_string(model.vocabulary_size) +
         " bytes " + std::to_string(model.file_bytes) + (model.repacked ? "" : " as in the file") +
         " | cache " + ggml_type_name(context.key_type) + " " + ggml_type_name(context.value_type);
}

// Whether a matrix of scores, a row for each token of a step and head and a column for each cell,
// is small enough to be had for being faster.
bool affords_matrix(const TunedModel& model, const ContextOptions& context) {
  if (model.heads == 0) return false;
  const std::uint64_t cells = context.cells();
  return cells * context.batch_tokens * sizeof(float) <= kMatrixBytes / model.heads;
}

// Whether the kind of attention is for the engine to choose.
bool is_open(const TunedModel& model, const ContextOptions& context) {
  return context.flash_attention == LLAMA_FLASH_ATTN_TYPE_AUTO &&
         !is_quantized(context.value_type) && model.cpu_only && context.generates;
}

struct AttentionChoice {
  llama_flash_attn_type type;
  Source source;
};

// The kind of attention, given which is faster where that was measured.
AttentionChoice choose_attention(const TunedModel& model, const ContextOptions& context,
                                 std::optional<bool> blocks_are_faster) {
  if (context.flash_attention != LLAMA_FLASH_ATTN_TYPE_AUTO) {
    return {context.flash_attention, Source::kGiven};
  }
  if (is_quantized(context.value_type)) return {LLAMA_FLASH_ATTN_TYPE_AUTO, Source::kRequired};
  if (!is_open(model, context)) return {LLAMA_FLASH_ATTN_TYPE_AUTO, Source::kDefault};
  if (blocks_are_faster == true) return {LLAMA_FLASH_ATTN_TYPE_AUTO, Source::kCached};
  // Where the faster one would take too much memory, what is measured did not decide.
  if (!affords_matrix(model, context)) return {LLAMA_FLASH_ATTN_TYPE_AUTO, Source::kDefault};
  return {LLAMA_FLASH_ATTN_TYPE_DISABLED,
          blocks_are_faster.has_value() ? Source::kCached : Source::kDefault};
}

// Whether a step was one of decoding alone.
bool decodes(std::span<const StepItem> items) {
  return std::ranges::all_of(
      items, [](const StepItem& item) { return item.tokens.size() == item.logit_rows; });
}

}  // namespace

TunedModel tuned_model(const ModelFile& file, const Offload& offload) {
  return {.architecture = file.architecture,
          .vocabulary_size = file.vocabulary_size,
          .layers = offload.model_layers,
          .heads = file.attention_heads,
          .file_bytes = file.file.stamp.bytes,
          .cpu_only = offload.is_cpu_only(),
          .repacked = offload.repack};
}

bool calibrates_by_default() {
  const char* value = std::getenv("MOBILLM_LLAMACPP_CALIBRATE");
  return value == nullptr || std::string_view(value) != "off";
}

CalibrationFile calibration_file(const TunedModel& model, const ContextOptions& context,
                                 const Processors& processors, const TuningOptions& options) {
  return {options.folder.empty() ? default_calibration_folder() : options.folder,
          calibration_key(model, context, processors)};
}

llama_flash_attn_type resolve_flash_attention(const TunedModel& model,
                                              const ContextOptions& context,
                                              const TuningOptions& options) {
  std::optional<Calibration> kept;
  if (is_open(model, context) && options.calibrates) {
    kept = calibration_file(model, context, read_processors(options.system_root), options).read();
  }
  return choose_attention(model, context, kept.value_or(Calibration{}).flash_attention).type;
}

Tuning::Tuning(TuningOptions options, TunedModel model,
               std::function<void(std::function<void()>)> post)
    : options_(std::move(options)),
      model_(std::move(model)),
      post_(std::move(post)),
      worker_(Activity::of_process(), kRest,
              [this](const IdleWorker& self) { return measure(self); }) {}

void Tuning::begin(ContextOptions& context) {
  processors_ = read_processors(options_.system_root);
  file_.emplace(calibration_file(model_, context, processors_, options_));
  const auto kept = options_.calibrates ? file_->read() : std::nullopt;
  const bool measurable = options_.calibrates && model_.cpu_only && context.generates;
  const bool old = !kept || kept->contended;

  const std::lock_guard lock(mutex_);
  calibration_ = kept.value_or(Calibration{});
  wants_threads_ = measurable && options_.threads == 0 && (old || !kept->threads);
  const bool open = is_open(model_, context);
  wants_flash_ = measurable && open && (old || !kept->flash_attention);
  if (open) facts_.flash_measured = calibration_.flash_attention;
  const auto choice = choose_attention(model_, context, calibration_.flash_attention);
  context.flash_attention = choice.type;
  facts_.flash_source = choice.source;
  facts_.flash = choice.type != LLAMA_FLASH_ATTN_TYPE_DISABLED;
}

void Tuning::read_context_log(const std::string& log) {
  // The library goes on without it where a device or an architecture has none.
  if (log.find("Flash Attention not supported") == std::string::npos &&
      log.find("flash_attn is not compatible") == std::string::npos) {
    return;
  }
  const std::lock_guard lock(mutex_);
  wants_flash_ = false;
  facts_.flash = false;
  facts_.flash_source = Source::kRequired;
}

int Tuning::default_limit() const {
  return std::clamp(processors_.fast_cores, 1, allowed_processors());
}

void Tuning::start(llama_model* model, const ContextOptions& context, const CpuLoadProbe& load,
                   std::function<void(int)> resize) {
  weights_ = model;
  context_ = context;
  resize_ = std::move(resize);
  if (options_.threads > 0) {
    use_threads(options_.threads);
    return;
  }
  const int most = std::clamp(static_cast<int>(processors_.fast.size()), default_limit(),
                              std::max(default_limit(), allowed_processors()));
  int limit = default_limit();
  int threads = 0;
  {
    const std::lock_guard lock(mutex_);
    const bool known = calibration_.threads.has_value();
    const int best = std::min(calibration_.threads.value_or(limit), most);
    limit = known && !calibration_.contended ? best : std::max(best, limit);
    threads = std::min(best, load.free_threads(limit));
    base_source_ = known ? Source::kCached : Source::kDefault;
    if (most == 1) wants_threads_ = false;
  }
  most_threads_ = most;
  governor_.restart(threads, limit);
  governs_ = limit > 1;
  this->resize(threads);
}

void Tuning::use_threads(int threads) {
  governs_ = false;
  {
    const std::lock_guard lock(mutex_);
    wants_threads_ = false;
    base_source_ = Source::kGiven;
  }
  resize(threads);
}

void Tuning::resize(int threads) {
  const bool pins = options_.affinity == Affinity::kBig ||
                    (options_.affinity == Affinity::kAuto && processors_.mixed);
  bool kept = false;
  if (pins && !processors_.fast.empty()) {
    // More threads than fast processors have to go elsewhere, too.
    const bool fits = static_cast<std::size_t>(threads) <= processors_.fast.size();
    kept = keep_thread_to(fits ? processors_.fast : processors_.allowed) && fits;
  }
  resize_(threads);
  const std::lock_guard lock(mutex_);
  threads_ = threads;
  facts_.processors = kept ? processors_.fast : ProcessorList{};
  facts_.threads = governs_ && governor_.lowered() ? Source::kContention : base_source_;
}

void Tuning::after_step(std::span<const StepItem> items, double milliseconds) {
  if (!decodes(items)) return;
  if (!answered_) {
    answered_ = true;
    bool wants = false;
    {
      const std::lock_guard lock(mutex_);
      wants = wants_threads_ || wants_flash_;
    }
    if (wants) worker_.start();
  }
  if (!governs_) return;
  std::size_t tokens = 0;
  for (const StepItem& item : items) tokens += item.tokens.size();
  const int before = governor_.threads();
  const int threads = governor_.step(tokens, milliseconds, std::chrono::steady_clock::now());
  if (threads != before) resize(threads);
}

bool Tuning::measure(const IdleWorker& self) {
  bool interrupted = false;
  const ProbeSubject subject{weights_, context_, [&] {
                               interrupted = interrupted || self.interrupted();
                               return interrupted;
                             }};
  Calibration measured;
  bool found_threads = false;
  bool wants_threads = false;
  bool wants_flash = false;
  int threads = 1;
  {
    const std::lock_guard lock(mutex_);
    measured = calibration_;
    wants_threads = wants_threads_;
    wants_flash = wants_flash_;
    threads = threads_;
  }
  const CpuLoadProbe load;
  const auto contended = [&] {
    return load.busy_processors_of_others().value_or(0) > kQuietProcessors;
  };
  try {
    const bool affords = affords_probe(subject);
    if (wants_threads && affords) {
      const auto best = measure_threads(subject, context_.flash_attention, counts_to_try());
      if (interrupted && ++interruptions_ < kMostInterruptions) return false;
      if (best && !interrupted) {
        found_threads = true;
        threads = *best;
        measured.threads = best;
        measured.contended = contended();
        keep(measured, false);
      }
    }
    if (wants_flash && affords) {
      const auto times = measure_attention(subject, threads);
      if (interrupted && ++interruptions_ < kMostInterruptions) return false;
      if (times && !interrupted) {
        measured.contended = contended();
        measured.flash_attention = choose_blocks(*times);
        keep(measured, true);
      }
    }
  } catch (...) {
    // A model that cannot be measured is used as it is.
  }
  const std::lock_guard lock(mutex_);
  // Of threads that were measured, the model's thread says so when it has them.
  if (!wants_threads || !found_threads) wants_threads_ = false;
  wants_flash_ = false;
  return true;
}

std::vector<int> Tuning::counts_to_try() const {
  std::vector<int> counts = ThreadGovernor::ladder(most_threads_);
  // Cores, where `most_threads_` counts the threads of a core.
  if (std::ranges::find(counts, default_limit()) == counts.end()) {
    counts.push_back(default_limit());
  }
  std::erase_if(counts, [this](int count) { return count * 4 < most_threads_; });
  return counts;
}

void Tuning::keep(const Calibration& measured, bool flash) {
  file_->write(measured);
  {
    const std::lock_guard lock(mutex_);
    calibration_ = measured;
    if (flash) {
      wants_flash_ = false;
      facts_.flash_measured = measured.flash_attention;
      return;
    }
  }
  post_([this, measured] { take(measured); });
}

void Tuning::take(const Calibration& measured) {
  {
    const std::lock_guard lock(mutex_);
    // The user may have said something else meanwhile.
    if (base_source_ == Source::kGiven) return;
    wants_threads_ = false;
    base_source_ = Source::kMeasured;
  }
  const int best = std::min(*measured.threads, most_threads_);
  const int limit = measured.contended ? std::max(best, default_limit()) : best;
  governor_.restart(best, limit);
  governs_ = limit > 1;
  resize(best);
}

TuningFacts Tuning::facts() const {
  const std::lock_guard lock(mutex_);
  TuningFacts facts = facts_;
  facts.calibrating = wants_threads_ || wants_flash_;
  return facts;
}

}  // namespace mobillm::llamacpp
