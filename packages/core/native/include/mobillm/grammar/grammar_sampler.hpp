// Chooses tokens that a grammar allows, by whatever sampler.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "mobillm/grammar/grammars.hpp"
#include "mobillm/sampling.hpp"

namespace mobillm {

// Lets a sampler choose freely first: what a grammar allows is mostly what a model wants to say,
// and to look at one token is a thousand times cheaper than to look at all. Only where the choice
// is refused are the logits of all refused tokens set to −∞, and it is made anew, with the next
// numbers of the sampler's random stream.
//
// With a temperature alone, a token comes out with the probability that it has among the allowed
// ones: p(a) + (1 − p(A)) · p(a) / p(A) = p(a) / p(A). Where top-k, top-p or min-p cut the tail
// off, a free choice is one of the tail of all tokens, and only the second one of the tail of the
// allowed ones; llama.cpp does the same.
class GrammarSampler final : public TokenSampler {
 public:
  // Tokens of `end_tokens`, which has to outlive this, stand for the end of the text.
  GrammarSampler(std::unique_ptr<TokenSampler> sampler, TokenMatcher matcher,
                 const std::unordered_set<Token>& end_tokens, std::int32_t vocabulary_size);

  // Throws GRAMMAR_DEAD_END where no token can follow and the text cannot end, and GRAMMAR_INVALID
  // where the grammar is too ambiguous to be followed.
  Token sample(const float* logits) override;
  void accept(Token token) override;
  bool at_end() const override { return matcher_.must_end(); }
  std::int64_t rejected_tokens() const override { return rejected_tokens_; }

 private:
  bool allows(Token token) const;
  // Fills `row_`: −∞ for what is refused. Returns whether anything is left.
  bool mask(const float* logits);
  // A choice among what is left.
  Token sample_masked();

  const std::unique_ptr<TokenSampler> sampler_;
  TokenMatcher matcher_;
  const std::unordered_set<Token>& end_tokens_;
  const std::size_t vocabulary_size_;
  std::int64_t rejected_tokens_ = 0;
  std::vector<float> row_;
};

}  // namespace mobillm
