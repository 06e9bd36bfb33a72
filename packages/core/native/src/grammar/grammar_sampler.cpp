#include "mobillm/grammar/grammar_sampler.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

}  // namespace

GrammarSampler::GrammarSampler(std::unique_ptr<TokenSampler> sampler, TokenMatcher matcher,
                               const std::unordered_set<Token>& end_tokens,
                               std::int32_t vocabulary_size)
    : sampler_(std::move(sampler)),
      matcher_(std::move(matcher)),
      end_tokens_(end_tokens),
      vocabulary_size_(static_cast<std::size_t>(vocabulary_size)) {}

Token GrammarSampler::sample(const float* logits) {
  const Token free = sampler_->sample(logits);
  if (allows(free)) return free;
  ++rejected_tokens_;
  if (mask(logits)) {
    const Token token = sample_masked();
    if (token != kNoToken) return token;
  }
  if (matcher_.can_end()) return kNoToken;
  throw Error(code::kGrammarDeadEnd,
              "No token of the model's vocabulary can follow here by the grammar, or the biases "
              "forbid those that can. Allow for what the model can write, and forbid less.");
}

void GrammarSampler::accept(Token token) {
  sampler_->accept(token);
  if (!end_tokens_.contains(token)) matcher_.accept(token);
}

bool GrammarSampler::allows(Token token) const {
  return end_tokens_.contains(token) ? matcher_.can_end() : matcher_.allows(token);
}

bool GrammarSampler::mask(const float* logits) {
  row_.assign(vocabulary_size_, kMinusInfinity);
  const std::vector<std::uint64_t>& allowed = matcher_.allowed();
  for (std::size_t word = 0; word < allowed.size(); ++word) {
    const std::uint64_t bits = allowed[word];
    if (bits == 0) continue;
    const std::size_t first = word * 64;
    const std::size_t count = std::min<std::size_t>(64, vocabulary_size_ - first);
    for (std::size_t i = 0; i < count; ++i) {
      if ((bits >> i & 1) != 0) row_[first + i] = logits[first + i];
    }
  }
  const bool can_end = matcher_.can_end();
  for (const Token token : end_tokens_) {
    const auto index = static_cast<std::size_t>(token);
    if (index < vocabulary_size_) row_[index] = can_end ? logits[index] : kMinusInfinity;
  }
  return std::ranges::any_of(row_, [](float logit) { return logit > kMinusInfinity; });
}

Token GrammarSampler::sample_masked() {
  try {
    return sampler_->sample(row_.data());
  } catch (const Error&) {
    // It has just chosen from the whole row, so it is the biases that leave nothing here.
    return kNoToken;
  }
}

}  // namespace mobillm
