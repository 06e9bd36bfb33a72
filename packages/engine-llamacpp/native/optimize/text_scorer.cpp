#include "optimize/text_scorer.hpp"

#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "idle_worker.hpp"
#include "mobillm/error.hpp"
#include "open_error.hpp"
#include "optimize/cpu_seconds.hpp"
#include "status.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

// Least log-probability that is kept: half precision ends there, and nothing depends on it.
constexpr float kLeastKept = -60000;

struct Stopwatch {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  double cpu = process_cpu_seconds();

  StepTimes read() const {
    return {process_cpu_seconds() - cpu,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count()};
  }
};

// ln Σ exp(numbers), whatever their size.
double log_sum_exp(std::span<const float> numbers) {
  const double most = *std::ranges::max_element(numbers);
  double sum = 0;
  for (const float number : numbers) sum += std::exp(static_cast<double>(number) - most);
  return most + std::log(sum);
}

std::size_t best_of(std::span<const float> numbers) {
  return static_cast<std::size_t>(std::ranges::max_element(numbers) - numbers.begin());
}

}  // namespace

OpenOptions TextScorer::adapt(OpenOptions options, ScorerUse use, WeightTable& weights) {
  options.context.scores_texts = use != ScorerUse::kSpeed;
  if (use == ScorerUse::kWeights) {
    // Weights that the library lays out anew can be neither read nor replaced.
    options.offload.repack = false;
    options.context.observer = WeightTable::observe;
    options.context.observer_data = &weights;
  }
  return options;
}

TextScorer::TextScorer(OpenOptions options, ScorerUse use)
    : loaded_bytes_(options.source.file.stamp.bytes +
                    (use == ScorerUse::kSpeed
                         ? 0
                         : std::uint64_t{options.context.batch_tokens} *
                               options.source.vocabulary_size * sizeof(float))),
      model_(adapt(std::move(options), use, weights_)) {}

TextScorer::~TextScorer() { worker().stop(); }

// The system would grant it and end the process when it is used.
void TextScorer::require_memory(std::uint64_t bytes) const {
  const auto available = available_memory_bytes();
  if (!available || bytes <= *available) return;
  throw out_of_memory("To read the texts with this model needs", bytes, *available, "",
                      "Judge fewer tokens, take a smaller model, or close other programs.");
}

void TextScorer::load() {
  require_memory(loaded_bytes_);
  model_.load();
  row_.resize(static_cast<std::size_t>(model_.vocabulary_size()));
}

void TextScorer::free() {
  weights_.restore_all();
  model_.free();
  weights_ = {};
  kept_.clear();
}

std::vector<Token> TextScorer::encode(const std::string& text) {
  model_.context();  // throws CLOSED
  return model_.vocabulary().encode(text, false, false);
}

TextScore TextScorer::score(std::span<const Token> tokens, std::size_t first, Reference reference,
                            std::uint32_t place, bool learn) {
  if (tokens.size() > static_cast<std::size_t>(model_.context_tokens()) || first < 1 ||
      first >= tokens.size()) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "first",
                          "must leave a token to score, of at most a context");
  }
  llama_memory_clear(llama_get_memory(model_.context()), true);
  std::vector<KeptRow>& kept = kept_[place];
  const std::size_t scored = tokens.size() - first;
  if (reference == Reference::kKeep) {
    kept.clear();
    require_memory(scored * row_.size() * sizeof(ggml_fp16_t));
  }
  if (reference == Reference::kCompare && kept.size() != scored) {
    throw Error(code::kUnsupported, "Nothing was kept of this text to compare it with.");
  }
  TextScore score;
  score.log_probs.reserve(scored);
  weights_.learn(learn);
  // The last token is foreseen and need not be read.
  const std::size_t read = tokens.size() - 1;
  const std::size_t most = model_.step_tokens();
  for (std::size_t start = 0; start < read; start += most) {
    const std::size_t end = std::min(read, start + most);
    const std::size_t wanted_from = std::max(start, first - 1);
    const std::size_t outputs = end > wanted_from ? end - wanted_from : 0;
    step(tokens.subspan(start, end - start), start, outputs);
    for (std::size_t k = 0; k < outputs; ++k) {
      if (model_.aborted()) throw aborted();
      const float* logits = llama_get_logits_ith(
          model_.context(), batch_.first_output(0) + static_cast<std::int32_t>(k));
      if (logits == nullptr) {
        throw Error(code::kNativeFailure, "llama.cpp computed a text and gave no logits of it.");
      }
      judge_row(logits, tokens[wanted_from + k + 1], reference, kept, score.log_probs.size(),
                score);
    }
  }
  weights_.learn(false);
  return score;
}

void TextScorer::step(std::span<const Token> tokens, std::size_t position, std::size_t outputs) {
  batch_.clear();
  batch_.add({0, static_cast<llama_pos>(position), tokens, outputs});
  if (model_.aborted()) throw aborted();
  const Activity::Busy busy(Activity::of_process());
  require_decoded(llama_decode(model_.context(), batch_.get()));
}

void TextScorer::judge_row(const float* logits, Token next, Reference reference,
                           std::vector<KeptRow>& kept, std::size_t row, TextScore& score) {
  const std::span<const float> now(logits, row_.size());
  const double total = log_sum_exp(now);
  score.log_probs.push_back(
      static_cast<float>(static_cast<double>(now[static_cast<std::size_t>(next)]) - total));
  if (reference == Reference::kKeep) {
    for (std::size_t k = 0; k < row_.size(); ++k) {
      row_[k] = std::max(kLeastKept, static_cast<float>(static_cast<double>(now[k]) - total));
    }
    ggml_fp32_to_fp16_row(row_.data(), kept.emplace_back(row_.size()).data(),
                          static_cast<std::int64_t>(row_.size()));
  }
  if (reference == Reference::kCompare) {
    ggml_fp16_to_fp32_row(kept[row].data(), row_.data(), static_cast<std::int64_t>(row_.size()));
    // What was rounded is a distribution again, so that no text is further from itself than
    // rounding of the second order.
    const double kept_total = log_sum_exp(row_);
    double divergence = 0;
    for (std::size_t k = 0; k < row_.size(); ++k) {
      const double before = static_cast<double>(row_[k]) - kept_total;
      divergence += std::exp(before) * (before - (static_cast<double>(now[k]) - total));
    }
    score.divergences.push_back(static_cast<float>(divergence));
    if (best_of(row_) == best_of(now)) ++score.same_best;
  }
}

WeightError TextScorer::substitute(const std::string& name, ggml_type type, bool weighted) {
  model_.context();  // throws CLOSED
  return weights_.substitute(name, type, weighted, model_.threads(),
                             [this] { return model_.aborted(); });
}

SpeedMeasurement TextScorer::measure(std::span<const Token> prompt, std::size_t written) {
  if (prompt.empty() ||
      prompt.size() + written > static_cast<std::size_t>(model_.context_tokens())) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "prompt",
                          "must be at least a token, and fit the context with what is written");
  }
  llama_memory_clear(llama_get_memory(model_.context()), true);
  SpeedMeasurement measured;
  const Stopwatch reading;
  for (std::size_t start = 0; start < prompt.size(); start += model_.step_tokens()) {
    const std::size_t count = std::min(prompt.size() - start, model_.step_tokens());
    step(prompt.subspan(start, count), start, start + count == prompt.size() ? 1 : 0);
  }
  measured.prefill = reading.read();
  const Stopwatch writing;
  for (std::size_t i = 0; i < written; ++i) {
    step(prompt.subspan(i % prompt.size(), 1), prompt.size() + i, 1);
  }
  measured.decode = writing.read();
  return measured;
}

}  // namespace mobillm::llamacpp
