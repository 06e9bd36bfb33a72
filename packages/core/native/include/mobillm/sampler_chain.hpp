// Core's own sampler, for engines whose library has none. Its oracle is llama.cpp's sampler chain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "mobillm/sampling.hpp"

namespace mobillm {

// Logit bias, penalties, top-k, top-p, min-p, temperature and a draw by seed, in that order; the
// best token alone at a temperature of 0. Of tokens with equal logits the lower one goes first.
// After the first choice no memory is allocated.
class SamplerChain final : public TokenSampler {
 public:
  // A token that was in the draw.
  struct Candidate {
    Token token;
    float logit;
    float probability;
  };

  // `history` is what is in the sequence before the first choice: the penalties look back on it.
  SamplerChain(const SamplingOptions& options, std::int32_t vocabulary_size,
               std::span<const Token> history);

  Token sample(const float* logits) override;
  void accept(Token token) override;

  // What the last token was drawn from; empty where the best one was taken. For tests.
  std::span<const Candidate> candidates() const { return candidates_; }

 private:
  // Tokens seen in the last `penalty_last_tokens`, and how often each was.
  class Window {
   public:
    Window(std::int32_t capacity, std::int32_t vocabulary_size);
    void add(Token token);
    std::span<const Token> distinct() const { return distinct_; }
    std::int32_t count(Token token) const { return counts_[static_cast<std::size_t>(token)]; }

   private:
    void remove(Token token);

    std::size_t capacity_;
    std::size_t oldest_ = 0;
    std::vector<Token> ring_;
    std::vector<Token> distinct_;
    std::vector<std::int32_t> counts_;  // by token
    std::vector<std::int32_t> places_;  // by token: its index in `distinct_`
  };

  // The row with biases and penalties applied; the caller's own where there are none.
  const float* adjust(const float* logits);
  Token draw(const float* logits);
  std::size_t top_k() const { return static_cast<std::size_t>(options_.top_k); }
  // Whether so few are kept that a heap of them beats sorting; it is moved too often beyond.
  bool takes_few() const { return top_k() > 0 && options_.top_k <= vocabulary_size_ / 8; }
  // The steps of a draw; each leaves candidates, `sorted_` says whether they are best first.
  void take_all(const float* logits);
  void take_few(const float* logits);
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  Token pick();
  double next_uniform();

  SamplingOptions options_;
  std::int32_t vocabulary_size_;
  std::optional<Window> window_;  // none where nothing is penalized
  std::vector<float> adjusted_;
  std::vector<Candidate> candidates_;
  bool sorted_ = false;
  std::mt19937 random_;
};

}  // namespace mobillm
