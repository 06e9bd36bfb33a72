// How the next token is chosen: llama.cpp's own samplers, in the order that core documents.
#pragma once

#include <llama.h>

#include <cstdint>
#include <span>
#include <vector>

#include "mobillm/c_ptr.hpp"
#include "mobillm/sampling.hpp"

namespace mobillm::llamacpp {

// The library's chain for one generation.
class LlamaSampler final : public TokenSampler {
 public:
  // `history` is what is in the sequence before the first choice: the penalties look back on it.
  LlamaSampler(const SamplingOptions& options, std::int32_t vocabulary_size,
               std::span<const Token> history);

  Token sample(const float* logits) override;
  void accept(Token token) override;

  // What the last token was chosen from, with probabilities where it was drawn. For tests.
  std::span<const llama_token_data> candidates() const { return {candidates_.data(), kept_}; }

 private:
  std::int32_t vocabulary_size_;
  CPtr<llama_sampler, llama_sampler_free> chain_;
  std::vector<llama_token_data> candidates_;
  std::size_t kept_ = 0;
};

}  // namespace mobillm::llamacpp
