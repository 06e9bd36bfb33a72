#include "draft_model.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "idle_worker.hpp"
#include "library_log.hpp"
#include "mobillm/error.hpp"
#include "mobillm/sequence.hpp"
#include "model_header.hpp"
#include "offload_fit.hpp"
#include "open_error.hpp"
#include "status.hpp"

namespace mobillm::llamacpp {

namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

Offload draft_offload(const Offload& target) {
  Offload offload;
  offload.repack = target.repack;
  if (target.is_cpu_only()) return offload;
  offload.devices = {target.devices.front()};
  offload.shares = {1};
  return offload;
}

ContextOptions draft_context(const ContextOptions& target) {
  ContextOptions options = target;
  options.sequences = 1;
  options.pool_tokens = 0;
  options.generates = true;
  options.guesses = false;
  options.embed_tokens = 0;
  return options;
}

// Follows the text of one generation.
class DraftModel::TextDrafter final : public Drafter {
 public:
  TextDrafter(DraftModel& draft, const AbortFlag& abort) : draft_(draft), abort_(abort) {}

  bool is_cheap() const override { return false; }
  double reading_ms() const override { return reading_ms_; }

  std::span<const Token> guess(std::span<const Token> tokens, std::size_t most) override {
    // What is measured while models rest has to make way for this, too.
    const Activity::Busy busy(Activity::of_process());
    guess_.clear();
    reading_ms_ = 0;
    draft_.polled_ = &abort_;
    follow(tokens, most);
    draft_.polled_ = nullptr;
    return guess_;
  }

 private:
  void follow(std::span<const Token> tokens, std::size_t most) {
    const auto known = [&](Token token) { return token < draft_.known_tokens_; };
    const std::size_t room = draft_.options_.context_tokens;
    if (tokens.empty() || tokens.size() + most > room || !std::ranges::all_of(tokens, known)) {
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    draft_.cut_to(tokens);
    const auto rest = tokens.subspan(draft_.cached_.size());
    const auto now = rest.first(std::min<std::size_t>(rest.size(), draft_.options_.batch_tokens));
    const bool computed = draft_.compute(now);
    // More than the tokens of the step before: a prompt, or what plain steps have said since.
    if (now.size() > kMostDraftTokens + 1) reading_ms_ = milliseconds_since(start);
    // A longer text goes on with the next step, so that others need not wait for all of it.
    if (!computed || now.size() < rest.size()) return;
    while (guess_.size() < most) {
      const Token token = draft_.best();
      guess_.push_back(token);
      const bool last = guess_.size() == most || draft_.vocabulary_->ends_text(token);
      if (last || !draft_.compute({&token, 1})) return;
    }
  }

  DraftModel& draft_;
  const AbortFlag& abort_;
  std::vector<Token> guess_;
  double reading_ms_ = 0;
};

DraftModel::DraftModel(const ModelFile& file, const ContextOptions& target,
                       const Offload& target_offload, ThreadPool& threads, AbortFlagPtr closing)
    : path_(file.file.path),
      options_(draft_context(target)),
      offload_(draft_offload(target_offload)),
      threads_(threads),
      closing_(std::move(closing)) {
  check_memory(file);
  load(file);
  make_context();
}

DraftModel::~DraftModel() {
  if (context_ != nullptr) threads_.remove(context_.get());
}

void DraftModel::check_memory(const ModelFile& file) const {
  const MemoryEstimate needed = estimate_memory(file, options_, offload_, *closing_);
  require_memory(needed.devices, [&](const DeviceMemory& row, std::uint64_t free) {
    return model_out_of_memory(row.total(), free, options_.context_tokens,
                               device_beside_cpu(row.device));
  });
}

void DraftModel::load(const ModelFile& file) {
  const LogCapture log;
  llama_model_params params = llama_model_default_params();
  const OffloadParams offload(offload_);
  offload.apply(params);
  params.load_mode = LLAMA_LOAD_MODE_MMAP;
  params.progress_callback = [](float, void* data) {
    return !static_cast<const DraftModel*>(data)->closing_->is_set();
  };
  params.progress_callback_user_data = this;
  model_.reset(load_checked(file.file, params));
  if (closing_->is_set()) throw aborted();
  if (model_ == nullptr) throw load_failed(path_, log.last_error());
  if (!caches_by_token(model_.get()) || is_encoder(file.architecture)) {
    throw load_failed(path_, "as a draft model it has to keep a cache that can be cut back");
  }
  vocabulary_.emplace(llama_model_get_vocab(model_.get()));
}

void DraftModel::make_context() {
  require_fitting_cache(model_.get(), options_);
  const LogCapture log;
  llama_context_params params = to_params(model_.get(), options_);
  params.abort_callback = [](void* data) {
    return static_cast<const DraftModel*>(data)->stopped();
  };
  params.abort_callback_data = this;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (context_ == nullptr) throw context_failed(log.last_error());
  threads_.add(context_.get());
}

void DraftModel::adopt_vocabulary(const Vocabulary& vocabulary, const std::string& path) {
  known_tokens_ = std::min(vocabulary_->size(), vocabulary.size());
  if (vocabulary_->is_same_as(vocabulary)) return;
  throw Error(code::kModelUnsupported,
              "The model in " + path_ + " cannot guess for the one in " + path +
                  ": its vocabulary is another. Take a smaller model of the same family.",
              {{"path", path_}});
}

std::unique_ptr<Drafter> DraftModel::make_drafter(const AbortFlag& abort) {
  return std::make_unique<TextDrafter>(*this, abort);
}

bool DraftModel::stopped() const {
  return closing_->is_set() || (polled_ != nullptr && polled_->is_set());
}

void DraftModel::cut_to(std::span<const Token> tokens) {
  const auto common = std::ranges::mismatch(cached_, tokens.first(tokens.size() - 1));
  const auto kept = static_cast<std::size_t>(common.in1 - cached_.begin());
  if (kept == cached_.size()) return;
  llama_memory_t memory = llama_get_memory(context_.get());
  const bool cut = llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(kept), -1);
  if (!cut) llama_memory_seq_rm(memory, 0, -1, -1);
  cached_.resize(cut ? kept : 0);
}

bool DraftModel::compute(std::span<const Token> tokens) {
  if (stopped()) return false;
  std::vector<llama_token> batch(tokens.begin(), tokens.end());
  // It counts positions on from those of the cache, and wants logits after the last token.
  const std::int32_t status = llama_decode(
      context_.get(), llama_batch_get_one(batch.data(), static_cast<std::int32_t>(batch.size())));
  if (status == 0) {
    cached_.insert(cached_.end(), tokens.begin(), tokens.end());
  } else {
    llama_memory_seq_rm(llama_get_memory(context_.get()), 0, static_cast<llama_pos>(cached_.size()),
                        -1);
  }
  return check_decode(status) == StepStatus::kDone;
}

Token DraftModel::best() const {
  const float* logits = llama_get_logits_ith(context_.get(), -1);
  return static_cast<Token>(std::max_element(logits, logits + known_tokens_) - logits);
}

}  // namespace mobillm::llamacpp
