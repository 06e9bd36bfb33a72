#include "model.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "cpu_load.hpp"
#include "library_log.hpp"
#include "mapped_pages.hpp"
#include "mobillm/error.hpp"
#include "model_header.hpp"
#include "offload_fit.hpp"
#include "open_error.hpp"
#include "sampler.hpp"
#include "sequence.hpp"
#include "status.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

Model::Model(OpenOptions options)
    : options_(std::move(options)),
      tuning_(options_.tuning, tuned_model(options_.source, options_.offload),
              [this](std::function<void()> job) { worker_.post(std::move(job)); }) {
  const int allowed = allowed_processors();
  if (options_.tuning.threads > allowed) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "threads",
                          "must be at most " + std::to_string(allowed) +
                              ", the processors that this process may use, but it is " +
                              std::to_string(options_.tuning.threads));
  }
  batch_tokens_ = options_.context.batch_tokens;
  for (auto id = static_cast<llama_seq_id>(options_.context.sequences); id-- > 0;) {
    free_ids_.push_back(id);  // the last one is taken first: 0
  }
}

Model::~Model() {
  closing_->set();
  worker_.stop();
  text_worker_.stop();
  free();
}

void Model::load() {
  const CpuLoadProbe load_probe;
  const ContextOptions asked = options_.context;
  tuning_.begin(options_.context);
  if (options_.offload.is_cpu_only()) {
    check_memory_for_weights();
  } else {
    settle_offload();
    if (options_.offload.is_cpu_only()) {
      // No layer found room: it is computed as on the CPU.
      options_.context = asked;
      tuning_.take_model(tuned_model(options_.source, options_.offload));
      tuning_.begin(options_.context);
      settle_offload();
    }
  }
  load_weights();
  require_usable();
  limit_pool(model_.get(), options_.context);
  vocabulary_.emplace(llama_model_get_vocab(model_.get()));
  kv_hand_over_.emplace(model_.get(), options_.context, closing_);
  embedder_.emplace(model_.get(), options_.context, facts_.layers_by_device, thread_pool_,
                    closing_);
  if (options_.context.generates) {
    make_context();
  } else {
    embedder_->prepare(options_.context.context_tokens, false);
  }
  if (options_.draft) load_draft();
  if (aborted()) throw llamacpp::aborted();

  tuning_.start(model_.get(), options_.context, load_probe, [this](int threads) {
    thread_pool_.resize(threads);
    threads_ = threads;
  });
  learn_facts();
  if (options_.on_progress) options_.on_progress(1);
}

void Model::load_weights() {
  const LogCapture log(kOffloadLine);
  llama_model_params params = llama_model_default_params();
  const OffloadParams offload(options_.offload);
  offload.apply(params);
  switch (options_.weights) {
    case WeightPlace::kMapped:
      params.load_mode = LLAMA_LOAD_MODE_MMAP;
      break;
    case WeightPlace::kCopied:
      params.load_mode = LLAMA_LOAD_MODE_NONE;
      break;
    case WeightPlace::kLocked:
      params.load_mode = LLAMA_LOAD_MODE_MLOCK;
      break;
  }
  params.progress_callback = [](float share, void* data) {
    auto* self = static_cast<Model*>(data);
    if (self->options_.on_progress) self->options_.on_progress(share);
    return !self->aborted();
  };
  params.progress_callback_user_data = this;
  model_.reset(load_checked(options_.source.file, params));
  if (aborted()) throw llamacpp::aborted();
  if (model_ == nullptr) throw load_failed(options_.source.file.path, log.last_error());
  facts_.layers = llama_model_n_layer(model_.get());
  facts_.layers_by_device = parse_offload_report(log.text(), facts_.layers);
  if (facts_.layers_by_device.empty()) {
    throw Error(code::kNativeFailure,
                "This build of llama.cpp does not tell where a model's layers went, so it is not "
                "the one that this engine was written for. Build it from the pinned source.");
  }
  // The library goes on with what it could lock, which is not what was asked for.
  const auto failed_lock = find_failed_lock(log.text());
  if (options_.weights == WeightPlace::kLocked && failed_lock) {
    throw lock_failed(llama_model_size(model_.get()), *failed_lock, lockable_memory_bytes());
  }
  // What it arranged anew for this processor lies in memory twice: nobody reads it in the file
  // again.
  if (options_.weights == WeightPlace::kMapped && logs_copied_weights(log.text())) {
    release_mapped_pages(options_.source.file.path, options_.source.file.split);
  }
}

// What the library would answer by ending the process when it is asked to generate or to embed.
void Model::require_usable() const {
  const std::string architecture = metadata_text(model_.get(), "general.architecture");
  if (!llama_model_has_decoder(model_.get()) || llama_model_has_encoder(model_.get())) {
    throw load_failed(options_.source.file.path,
                      "it is made of an encoder and a decoder, or of speech");
  }
  if (llama_model_is_diffusion(model_.get()) || architecture == "wavtokenizer-dec") {
    throw load_failed(options_.source.file.path, "it does not generate token by token");
  }
  // Tokens that see those behind them have logits, but for no token that is still to come.
  if (options_.context.generates == sees_whole_texts(model_.get())) {
    throw load_failed(options_.source.file.path, "its header says otherwise than the library");
  }
  const llama_vocab* vocabulary = llama_model_get_vocab(model_.get());
  if (llama_vocab_n_tokens(vocabulary) == 0 ||
      llama_vocab_type(vocabulary) == LLAMA_VOCAB_TYPE_NONE) {
    throw load_failed(options_.source.file.path, "it has no vocabulary");
  }
}

void Model::make_context() {
  require_fitting_cache(model_.get(), options_.context);
  if (options_.offload.is_cpu_only()) check_memory_for_context();
  const LogCapture log;
  llama_context_params params = to_params(model_.get(), options_.context);
  // A callback on the model's own thread: with one thread or many, ggml asks on the calling one.
  params.abort_callback = [](void* data) {
    return static_cast<const Model*>(data)->step_aborted();
  };
  params.abort_callback_data = this;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (context_ == nullptr) throw context_failed(log.last_error());
  tuning_.read_context_log(log.text());
  if (llama_get_memory(context_.get()) == nullptr) {
    throw load_failed(options_.source.file.path, "it keeps no cache to generate from");
  }
  thread_pool_.add(context_.get());
}

void Model::load_draft() {
  if (!options_.context.generates || !cuts_back()) {
    throw Error(code::kUnsupported,
                "Nothing can be guessed ahead of the model in " + options_.source.file.path +
                    ": wrong guesses could not be taken out of its cache again. Open it without "
                    "draftModel.",
                {{"path", options_.source.file.path}});
  }
  draft_.emplace(*options_.draft, options_.context, options_.offload, thread_pool_, closing_);
  draft_->adopt_vocabulary(*vocabulary_, options_.source.file.path);
}

void Model::learn_facts() {
  facts_.architecture = metadata_text(model_.get(), "general.architecture");
  facts_.name = metadata_text(model_.get(), "general.name");
  if (const char* source = llama_model_chat_template(model_.get(), nullptr)) {
    facts_.chat_template = source;
  }
  if (const char* source = llama_model_chat_template(model_.get(), "rerank")) {
    facts_.rerank_template = source;
  }
  facts_.trained_context_tokens =
      static_cast<std::uint32_t>(std::max(0, llama_model_n_ctx_train(model_.get())));
  // The library rounds up to a multiple of its own; what was asked for is what a sequence gets.
  facts_.pool_tokens =
      context_ == nullptr ? options_.context.context_tokens : llama_n_ctx(context_.get());
  facts_.context_tokens = std::min(options_.context.context_tokens, facts_.pool_tokens);
  facts_.parameter_count = llama_model_n_params(model_.get());
  facts_.weight_bytes = llama_model_size(model_.get());
  facts_.embedding_length = static_cast<std::uint32_t>(llama_model_n_embd_out(model_.get()));
}

void Model::free() {
  text_worker_.stop();
  tuning_.stop();
  embedder_.reset();
  draft_.reset();
  if (context_ != nullptr) thread_pool_.remove(context_.get());
  context_.reset();
  // A closed model may live until JavaScript has collected what names it.
  thread_pool_.resize(1);
  // The library would free them with the model.
  for (const auto& adapter : std::exchange(adapters_, {})) adapter->adapter_.reset();
  vocabulary_.reset();
  model_.reset();
}

std::shared_ptr<LoraAdapter> Model::load_adapter(const CheckedFile& file,
                                                 const std::vector<DeviceMemory>& needed) {
  embedder();  // throws CLOSED
  require_memory(needed, [](const DeviceMemory& row, std::uint64_t free) {
    return out_of_memory("The adapter needs", row.total(), free, device_beside_cpu(row.device),
                         "Close other adapters, models or programs.");
  });
  const LogCapture log;
  llama_adapter_lora* loaded = load_checked_adapter(file, model_.get());
  if (loaded == nullptr) throw adapter_failed(file.path, log.last_error());
  return adapters_.emplace_back(std::make_shared<LoraAdapter>(*this, loaded));
}

void Model::free_adapter(LoraAdapter& adapter) {
  if (adapter.get() == nullptr) return;
  // A context that still had it would compare the next one, which may lie in the same place, with
  // it.
  if (context_ != nullptr) apply_adapters(context_.get(), nullptr);
  embedder().forget_adapters();
  adapter.adapter_.reset();
  std::erase_if(adapters_, [&](const auto& held) { return held.get() == &adapter; });
}

AdapterSetPtr Model::adapter_set(const std::vector<AdapterUse>& uses) {
  std::erase_if(adapter_sets_, [](const auto& set) { return set.expired(); });
  if (uses.empty()) return nullptr;
  auto wanted = std::make_shared<const AdapterSet>(uses);
  for (const auto& known : adapter_sets_) {
    if (AdapterSetPtr set = known.lock(); set != nullptr && *set == *wanted) return set;
  }
  adapter_sets_.push_back(wanted);
  return wanted;
}

Embedder& Model::embedder() {
  if (!embedder_) throw Error(code::kClosed, "The model was closed. Open it again.");
  return *embedder_;
}

void Model::embed(EmbeddingJob& job) {
  const auto busy = tuning_.busy();
  embedder().step(job);
}

std::size_t Model::row_length(const EmbeddingJob& job) { return embedder().row_length(job); }

std::unique_ptr<TokenSampler> Model::make_sampler(const SamplingOptions& options,
                                                  std::span<const Token> history) {
  return std::make_unique<LlamaSampler>(options, vocabulary_size(), history);
}

std::unique_ptr<Drafter> Model::make_drafter(const AbortFlag& abort) {
  return draft_ ? draft_->make_drafter(abort) : SequenceModel::make_drafter(abort);
}

TokenBytes Model::token_bytes() { return vocabulary_->token_bytes(); }

std::vector<DeviceMemory> Model::memory() {
  std::vector<DeviceMemory> sum;
  // Every context tells the weights that it computes with.
  bool tells_weights = true;
  for (const llama_context* context :
       {static_cast<const llama_context*>(context_.get()), embedder().context()}) {
    if (context == nullptr) continue;
    std::vector<DeviceMemory> rows = memory_by_device(context);
    if (!tells_weights) {
      for (DeviceMemory& row : rows) row.weights = 0;
    }
    add_rows(sum, rows);
    tells_weights = false;
  }
  if (draft_) add_rows(sum, memory_by_device(draft_->context()));
  return sum;
}

bool Model::step_aborted() const {
  return aborted() ||
         std::ranges::any_of(polled_, [](const StepItem& item) { return item.abort->is_set(); });
}

StepStatus Model::compute(std::span<const StepItem> items) {
  llama_context* context = this->context();
  const auto busy = tuning_.busy();
  batch_.clear();
  for (const StepItem& item : items) {
    const auto& sequence = static_cast<const LlamaSequence&>(*item.sequence);
    batch_.add({sequence.id(), sequence.token_count(), item.tokens, item.logit_rows});
  }
  // All have the same.
  apply_adapters(context, static_cast<const LlamaSequence&>(*items.front().sequence).adapters());
  polled_ = items;
  if (step_aborted()) {
    polled_ = {};
    return StepStatus::kAborted;
  }
  // A state that each token changes cannot be cut back: one sequence's abort would cost the others
  // theirs.
  if (items.size() > 1 && !cuts_back()) polled_ = {};
  const auto start = std::chrono::steady_clock::now();
  const std::int32_t status = llama_decode(context, batch_.get());
  // Another device computes on after the call: its time would count as that of the next step, and
  // nobody could abort between two.
  if (status == 0 && !options_.offload.is_cpu_only()) llama_synchronize(context);
  polled_ = {};
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  for (const StepItem& item : items) {
    if (status == 0) {
      static_cast<LlamaSequence*>(item.sequence)->add(item.tokens);
    } else {
      // After an abort or a failure, what the library had done of the step may lie in its cache.
      item.sequence->truncate(item.sequence->token_count());
    }
  }
  const StepStatus outcome = check_decode(status);
  if (outcome == StepStatus::kDone) {
    try {
      tuning_.after_step(items, took.count());
    } catch (...) {
      // The step itself is done: whoever asked for it must not compute it again.
    }
  }
  return outcome;
}

void Model::apply_moves() {
  // A step of one token on the number that caches are handed over on; nobody's flag is looked at.
  llama_seq_id spare = static_cast<llama_seq_id>(options_.context.sequences);
  llama_token token = 0;
  llama_pos position = 0;
  std::int32_t id_count = 1;
  llama_seq_id* ids = &spare;
  std::int8_t output = 0;
  const llama_batch batch{1, &token, nullptr, &position, &id_count, &ids, &output};
  const std::int32_t status = llama_decode(context(), batch);
  llama_memory_seq_rm(llama_get_memory(context()), spare, -1, -1);
  if (check_decode(status) == StepStatus::kNoRoom) {
    throw Error(code::kNativeFailure, "llama.cpp did not move a cache: it has no free cell.");
  }
}

const float* Model::logits(std::size_t item, std::size_t row) {
  return llama_get_logits_ith(context(),
                              batch_.first_output(item) + static_cast<std::int32_t>(row));
}

llama_context* Model::context() const {
  if (context_ == nullptr) throw Error(code::kClosed, "The model was closed. Open it again.");
  return context_.get();
}

void Model::adjust(int threads, std::uint32_t batch_tokens) {
  if (threads > 0) {
    embedder();  // throws CLOSED
    tuning_.use_threads(threads);
  }
  // The context's buffers are made for the size at opening; a step can only be smaller.
  if (batch_tokens > 0) batch_tokens_ = std::min(batch_tokens, options_.context.batch_tokens);
}

void Model::settle_offload() {
  const FittedOffload fitted =
      fit_offload(options_.source, options_.context, options_.offload, options_.draft, *closing_);
  if (fitted.estimate.layers < static_cast<std::int32_t>(fitted.offload.count)) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "engineOptions.gpuLayers",
                          "must be at most " + std::to_string(fitted.estimate.layers) +
                              ", the layers of this model, or \"all\", but it is " +
                              std::to_string(fitted.offload.count));
  }
  require_memory(fitted.devices(), [&](const DeviceMemory& row, std::uint64_t free) {
    return model_out_of_memory(row.total(), free, options_.context.context_tokens,
                               device_beside_cpu(row.device));
  });
  options_.offload = fitted.offload;
}

// The weights have to be in memory to be read, mapped or not. A mapped file that does not fit would
// load, and then be read from disk for every token.
void Model::check_memory_for_weights() const {
  const auto available = available_memory_bytes();
  std::error_code trouble;
  const auto bytes = std::filesystem::file_size(
      std::filesystem::path(reinterpret_cast<const char8_t*>(options_.source.file.path.c_str())),
      trouble);
  if (!available || trouble || bytes <= *available) return;
  throw model_out_of_memory(bytes, *available, options_.context.context_tokens);
}

// With overcommitment the system grants any context and kills the process when it is used, so the
// library is not asked before the need is known to fit.
void Model::check_memory_for_context() const {
  const auto available = available_memory_bytes();
  if (!available) return;
  const std::uint64_t rough = kv_cache_formula(model_.get(), options_.context) +
                              compute_formula(model_.get(), options_.context);
  // Far away from the limit, rough is enough and costs nothing.
  if (rough < *available / 2) return;
  ModelFile file = options_.source;
  file.vocabulary_size = static_cast<std::uint32_t>(vocabulary_->size());
  const MemoryEstimate exact = estimate_memory(file, options_.context, options_.offload, *closing_);
  const std::uint64_t needed = exact.kv_cache + exact.compute + exact.output;
  if (needed > *available) {
    throw model_out_of_memory(needed + exact.weights, *available + exact.weights,
                              options_.context.context_tokens);
  }
}

std::optional<llama_seq_id> Model::take_sequence_id() {
  const std::lock_guard lock(ids_mutex_);
  if (free_ids_.empty()) return std::nullopt;
  const llama_seq_id id = free_ids_.back();
  free_ids_.pop_back();
  return id;
}

void Model::return_sequence_id(llama_seq_id id) {
  const std::lock_guard lock(ids_mutex_);
  free_ids_.push_back(id);
}

}  // namespace mobillm::llamacpp
