#include "mobillm/sampler_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mobillm/error.hpp"

namespace mobillm {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Whether a token can be chosen at all: its logit is a number, and it is not forbidden. Both
// comparisons are false for what is no number.
bool is_possible(float logit) { return logit > kMinusInfinity; }

bool better(const SamplerChain::Candidate& a, const SamplerChain::Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

[[noreturn]] void throw_nothing_to_choose() {
  throw Error(code::kNativeFailure,
              "No token can be chosen: the model's logits are no numbers, or the biases forbid "
              "every token. Without biases the file may be damaged; verify its sha256.");
}

Token best_token(const float* logits, std::int32_t size) {
  float best = kMinusInfinity;
  Token chosen = kNoToken;
  for (Token token = 0; token < size; ++token) {
    if (logits[token] > best) {
      best = logits[token];
      chosen = token;
    }
  }
  if (chosen == kNoToken) throw_nothing_to_choose();
  return chosen;
}

}  // namespace

SamplerChain::Window::Window(std::int32_t capacity, std::int32_t vocabulary_size)
    : capacity_(static_cast<std::size_t>(capacity)),
      counts_(static_cast<std::size_t>(vocabulary_size), 0),
      places_(static_cast<std::size_t>(vocabulary_size), 0) {
  ring_.reserve(capacity_);
  distinct_.reserve(std::min(capacity_, counts_.size()));
}

void SamplerChain::Window::add(Token token) {
  if (ring_.size() < capacity_) {
    ring_.push_back(token);
  } else {
    remove(ring_[oldest_]);
    ring_[oldest_] = token;
    oldest_ = oldest_ + 1 == capacity_ ? 0 : oldest_ + 1;
  }
  const auto index = static_cast<std::size_t>(token);
  if (counts_[index]++ > 0) return;
  places_[index] = static_cast<std::int32_t>(distinct_.size());
  distinct_.push_back(token);
}

void SamplerChain::Window::remove(Token token) {
  const auto index = static_cast<std::size_t>(token);
  if (--counts_[index] > 0) return;
  // The last one takes its place.
  const Token last = distinct_.back();
  distinct_[static_cast<std::size_t>(places_[index])] = last;
  places_[static_cast<std::size_t>(last)] = places_[index];
  distinct_.pop_back();
}

SamplerChain::SamplerChain(const SamplingOptions& options, std::int32_t vocabulary_size,
                           std::span<const Token> history)
    : options_(options), vocabulary_size_(vocabulary_size), random_(options.seed) {
  if (options_.penalizes()) {
    Window& window = window_.emplace(options_.penalty_last_tokens, vocabulary_size);
    const auto looked_at =
        std::min(history.size(), static_cast<std::size_t>(options_.penalty_last_tokens));
    for (const Token token : history.last(looked_at)) window.add(token);
  }
  const auto size = static_cast<std::size_t>(vocabulary_size);
  if (window_ || !options_.logit_bias.empty()) adjusted_.resize(size);
  if (options_.temperature > 0) candidates_.reserve(takes_few() ? top_k() : size);
}

Token SamplerChain::sample(const float* logits) {
  const float* row = adjust(logits);
  return options_.temperature > 0 ? draw(row) : best_token(row, vocabulary_size_);
}

void SamplerChain::accept(Token token) {
  if (window_) window_->add(token);
}

const float* SamplerChain::adjust(const float* logits) {
  if (adjusted_.empty()) return logits;
  std::copy_n(logits, vocabulary_size_, adjusted_.data());
  for (const auto& [token, bias] : options_.logit_bias) {
    adjusted_[static_cast<std::size_t>(token)] += bias;
  }
  if (!window_) return adjusted_.data();
  for (const Token token : window_->distinct()) {
    float& logit = adjusted_[static_cast<std::size_t>(token)];
    // Dividing a negative logit would make its token more likely.
    logit = logit <= 0 ? logit * options_.repeat_penalty : logit / options_.repeat_penalty;
    logit -= static_cast<float>(window_->count(token)) * options_.frequency_penalty +
             options_.presence_penalty;
  }
  return adjusted_.data();
}

Token SamplerChain::draw(const float* logits) {
  if (takes_few()) {
    take_few(logits);
  } else {
    take_all(logits);
    if (top_k() > 0) keep_top_k();
  }
  if (candidates_.empty()) throw_nothing_to_choose();
  if (options_.top_p < 1) keep_top_p();
  if (options_.min_p > 0) keep_min_p();
  return pick();
}

void SamplerChain::take_all(const float* logits) {
  candidates_.clear();
  sorted_ = false;
  for (Token token = 0; token < vocabulary_size_; ++token) {
    if (is_possible(logits[token])) candidates_.push_back({token, logits[token], 0});
  }
}

// A heap with the worst of the best on top: nearly every token is refused by one comparison.
void SamplerChain::take_few(const float* logits) {
  candidates_.clear();
  float least = kMinusInfinity;
  for (Token token = 0; token < vocabulary_size_; ++token) {
    if (!(logits[token] > least)) continue;
    if (candidates_.size() == top_k()) {
      std::pop_heap(candidates_.begin(), candidates_.end(), better);
      candidates_.pop_back();
    }
    candidates_.push_back({token, logits[token], 0});
    std::push_heap(candidates_.begin(), candidates_.end(), better);
    if (candidates_.size() == top_k()) least = candidates_.front().logit;
  }
  std::sort_heap(candidates_.begin(), candidates_.end(), better);
  sorted_ = true;
}

void SamplerChain::keep_top_k() {
  if (top_k() < candidates_.size()) {
    const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(top_k());
    std::nth_element(candidates_.begin(), end, candidates_.end(), better);
    candidates_.resize(top_k());
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
  sorted_ = true;
}

void SamplerChain::keep_top_p() {
  float best = candidates_.front().logit;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  float sum = 0;
  for (Candidate& candidate : candidates_) {
    candidate.probability = std::exp(candidate.logit - best);
    sum += candidate.probability;
  }
  // Usually a few hundred tokens reach the share, so no more than needed are put in order.
  std::size_t ordered = sorted_ ? candidates_.size() : 0;
  float reached = 0;
  std::size_t kept = 0;
  while (kept < candidates_.size()) {
    if (kept == ordered) {
      const auto from = candidates_.begin() + static_cast<std::ptrdiff_t>(ordered);
      ordered = std::min(candidates_.size(), std::max<std::size_t>(256, ordered * 4));
      const auto to = candidates_.begin() + static_cast<std::ptrdiff_t>(ordered);
      if (to != candidates_.end()) std::nth_element(from, to, candidates_.end(), better);
      std::sort(from, to, better);
    }
    reached += candidates_[kept++].probability / sum;
    if (reached >= options_.top_p) break;
  }
  candidates_.resize(kept);
  sorted_ = true;
}

void SamplerChain::keep_min_p() {
  float best = candidates_.front().logit;
  if (!sorted_) {
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  }
  const float least = best + std::log(options_.min_p);
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.logit < least; });
}

Token SamplerChain::pick() {
  float best = candidates_.front().logit;
  if (!sorted_) {
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  }
  double sum = 0;
  for (Candidate& candidate : candidates_) {
    // Equal ones are not subtracted: both may be infinite.
    const float distance = candidate.logit == best ? 0 : candidate.logit - best;
    candidate.probability = std::exp(distance / options_.temperature);
    sum += candidate.probability;
  }
  const double target = sum * next_uniform();
  double reached = 0;
  const Candidate* chosen = nullptr;
  for (Candidate& candidate : candidates_) {
    reached += candidate.probability;
    if (chosen == nullptr && reached >= target) chosen = &candidate;
    candidate.probability = static_cast<float>(candidate.probability / sum);
  }
  return (chosen != nullptr ? *chosen : candidates_.back()).token;
}

// From 0 up to 1, of 53 bits. Written out, because each standard library has its own way from the
// generator's numbers to a double, and a seed is to give the same tokens everywhere.
double SamplerChain::next_uniform() {
  const auto low = static_cast<double>(random_());
  const auto high = static_cast<double>(random_());
  const double value = (low + high * 0x1p32) * 0x1p-64;
  return value < 1 ? value : 1 - 0x1p-53;
}

}  // namespace mobillm
