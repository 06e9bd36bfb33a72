// Text to tokens and back, by the library's own tokenizers.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

#include "mobillm/grammar/token_bytes.hpp"

namespace mobillm::llamacpp {

struct SpecialToken {
  llama_token token;
  std::string text;
};

// A model's vocabulary. Constant after loading, so every member may be called from any thread while
// the model lives. Tokens passed in are within [0, size).
class Vocabulary {
 public:
  explicit Vocabulary(const llama_vocab* vocab);

  int size() const { return llama_vocab_n_tokens(vocab_); }
  bool contains(llama_token token) const { return token >= 0 && token < size(); }
  // LLAMA_TOKEN_NULL where the model has none.
  llama_token bos() const { return llama_vocab_bos(vocab_); }
  llama_token eos() const { return llama_vocab_eos(vocab_); }
  bool adds_bos() const { return llama_vocab_get_add_bos(vocab_); }
  // What stands between two texts that are read together; empty where the vocabulary has nothing.
  std::vector<llama_token> separator_tokens() const;
  // Whether a generation ends with it.
  bool ends_text(llama_token token) const { return llama_vocab_is_eog(vocab_, token); }
  // Whether tokens of another vocabulary stand for the same as these, by number. One of the two may
  // have a few more at its end, which pad it to a round number.
  bool is_same_as(const Vocabulary& other) const;
  // Every token that ends a generation.
  std::vector<llama_token> end_tokens() const;
  // Tokens that are read from text only with `parse_special`, and written only with `show_special`.
  std::vector<SpecialToken> special_tokens() const;

  // Encodes UTF-8 text.
  std::vector<llama_token> encode(const std::string& text, bool add_special,
                                  bool parse_special) const;
  // The same behind tokens that are there. `name` is what an error calls the text.
  void encode_to(std::vector<llama_token>& tokens, const std::string& text, bool add_special,
                 bool parse_special, const std::string& name) const;
  // Bytes of a whole text: the pieces of its tokens, without the space that some vocabularies put
  // before every text.
  std::string decode(const std::vector<llama_token>& tokens, bool show_special) const;
  // Bytes of one token in the middle of a text.
  std::string piece(llama_token token, bool show_special) const;
  // The same of all tokens, special ones having none.
  TokenBytes token_bytes() const;

 private:
  const llama_vocab* vocab_;
  bool adds_space_ = false;  // before every text
};

}  // namespace mobillm::llamacpp
