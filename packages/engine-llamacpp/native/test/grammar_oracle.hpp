// llama.cpp's own grammar sampler beside core's matcher, over one vocabulary.
#pragma once

#include <llama.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/grammar/grammars.hpp"

namespace mobillm::test {

// The library's sampler for one text.
class GrammarOracle {
 public:
  GrammarOracle(const llama_vocab* vocab, const std::string& source)
      : sampler_(llama_sampler_init_grammar(vocab, source.c_str(), "root")),
        row_(static_cast<std::size_t>(llama_vocab_n_tokens(vocab))) {
    CHECK(sampler_ != nullptr);
  }

  // By token, whether it can follow.
  const std::vector<llama_token_data>& apply() {
    for (std::size_t i = 0; i < row_.size(); ++i) {
      row_[i] = {static_cast<llama_token>(i), 0.0f, 0.0f};
    }
    llama_token_data_array array{row_.data(), row_.size(), -1, false};
    llama_sampler_apply(sampler_.get(), &array);
    return row_;
  }
  static bool allowed(const llama_token_data& entry) {
    return entry.logit > -std::numeric_limits<float>::infinity();
  }
  void accept(llama_token token) { llama_sampler_accept(sampler_.get(), token); }

 private:
  CPtr<llama_sampler, llama_sampler_free> sampler_;
  std::vector<llama_token_data> row_;
};

inline bool is_in(const std::vector<std::uint64_t>& set, llama_token token) {
  const auto bit = static_cast<std::size_t>(token);
  return (set[bit / 64] >> (bit % 64) & 1) != 0;
}

}  // namespace mobillm::test
