#include "vocabulary.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

// The library looks a byte that begins no token up in a table, where a whole vocabulary has it.
std::int32_t tokenize(const llama_vocab* vocab, const std::string& text, llama_token* tokens,
                      std::int32_t room, bool add_special, bool parse_special) {
  try {
    return llama_tokenize(vocab, text.data(), static_cast<std::int32_t>(text.size()), tokens, room,
                          add_special, parse_special);
  } catch (const std::out_of_range&) {
    throw Error(code::kModelInvalid,
                "The vocabulary of this model has no token for a byte of the text, so it is not "
                "whole. Use another conversion of the model.");
  }
}

}  // namespace

Vocabulary::Vocabulary(const llama_vocab* vocab) : vocab_(vocab) {
  // The C API does not tell; a letter does.
  const std::vector<llama_token> letter = encode("a", false, false);
  adds_space_ = !letter.empty() && piece(letter.front(), false).rfind(' ', 0) == 0;
}

bool Vocabulary::is_same_as(const Vocabulary& other) const {
  // Models of one family pad theirs to different sizes, to a multiple of 256 at most.
  constexpr int kMostPadding = 256;
  if (llama_vocab_type(vocab_) != llama_vocab_type(other.vocab_)) return false;
  if (std::abs(size() - other.size()) >= kMostPadding) return false;
  const int common = std::min(size(), other.size());
  for (llama_token token = 0; token < common; ++token) {
    if (piece(token, true) != other.piece(token, true)) return false;
  }
  return true;
}

std::vector<llama_token> Vocabulary::end_tokens() const {
  std::vector<llama_token> tokens;
  for (llama_token token = 0; token < size(); ++token) {
    if (ends_text(token)) tokens.push_back(token);
  }
  return tokens;
}

std::vector<llama_token> Vocabulary::separator_tokens() const {
  std::vector<llama_token> tokens;
  const auto add = [&](bool wanted, llama_token token) {
    if (wanted && contains(token)) tokens.push_back(token);
  };
  add(llama_vocab_get_add_eos(vocab_), eos());
  add(llama_vocab_get_add_sep(vocab_), llama_vocab_sep(vocab_));
  return tokens;
}

std::vector<SpecialToken> Vocabulary::special_tokens() const {
  // Just those that `parse_special` governs. The library reads "user defined" tokens from any text,
  // as if they were words; to list them here would promise otherwise.
  constexpr int kSpecial = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
  std::vector<SpecialToken> tokens;
  for (llama_token token = 0; token < size(); ++token) {
    if ((llama_vocab_get_attr(vocab_, token) & kSpecial) != 0) {
      tokens.push_back({token, llama_vocab_get_text(vocab_, token)});
    }
  }
  return tokens;
}

std::vector<llama_token> Vocabulary::encode(const std::string& text, bool add_special,
                                            bool parse_special) const {
  std::vector<llama_token> tokens;
  encode_to(tokens, text, add_special, parse_special, "text");
  return tokens;
}

void Vocabulary::encode_to(std::vector<llama_token>& tokens, const std::string& text,
                           bool add_special, bool parse_special, const std::string& name) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() / 2)) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, name,
                          "is longer than a gibibyte; encode it in pieces");
  }
  const std::size_t before = tokens.size();
  // A token stands for one byte at least, mostly for more: this rarely has to grow.
  std::size_t room = text.size() / 2 + 16;
  for (;;) {
    tokens.resize(before + room);
    const std::int32_t count =
        tokenize(vocab_, text, tokens.data() + before, static_cast<std::int32_t>(room), add_special,
                 parse_special);
    if (count >= 0) {
      tokens.resize(before + static_cast<std::size_t>(count));
      return;
    }
    if (count == std::numeric_limits<std::int32_t>::min()) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, name,
                            "has more tokens than can be counted; encode it in pieces");
    }
    room = static_cast<std::size_t>(-count);
  }
}

// Not `llama_detokenize`: for some vocabularies that also drops spaces before punctuation, and then
// what was encoded does not come back, nor what was streamed piece by piece.
std::string Vocabulary::decode(const std::vector<llama_token>& tokens, bool show_special) const {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string bytes = piece(tokens[i], show_special);
    const bool skip = i == 0 && adds_space_ && bytes.rfind(' ', 0) == 0;
    text.append(bytes, skip ? 1 : 0, std::string::npos);
  }
  return text;
}

std::string Vocabulary::piece(llama_token token, bool show_special) const {
  std::string bytes(32, '\0');
  for (;;) {
    const std::int32_t length = llama_token_to_piece(
        vocab_, token, bytes.data(), static_cast<std::int32_t>(bytes.size()), 0, show_special);
    if (length >= 0) {
      bytes.resize(static_cast<std::size_t>(length));
      return bytes;
    }
    bytes.resize(static_cast<std::size_t>(-length));
  }
}

TokenBytes Vocabulary::token_bytes() const {
  TokenBytes bytes;
  for (llama_token token = 0; token < size(); ++token) {
    const std::string text = piece(token, false);
    bytes.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  return bytes;
}

}  // namespace mobillm::llamacpp
