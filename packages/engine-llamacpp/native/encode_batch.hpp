// Many texts to tokens at once, on several threads.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "vocabulary.hpp"

namespace mobillm::llamacpp {

// How texts are read; see `Vocabulary::encode`.
struct EncodeOptions {
  bool add_special = false;
  bool parse_special = false;
};

// Tokens of several texts, those of one behind those of the other.
struct TokenRows {
  std::vector<llama_token> tokens;
  // Where the row of each text ends in `tokens`.
  std::vector<std::int32_t> ends;
};

// Threads that pay for so many code units of text, at most `most` and at least 1: to start one
// takes as long as to encode a few hundred characters.
int encoding_threads(std::size_t code_units, int most);

// Encodes texts, on the calling thread and up to `threads - 1` others that end with the call. The
// flags are looked at between two texts: then it throws ABORTED. Throws InvalidArgument naming
// `texts[i]` where one holds half of a surrogate pair or is too long, the first one of them.
TokenRows encode_batch(const Vocabulary& vocabulary, const std::vector<std::u16string>& texts,
                       EncodeOptions options, int threads, const AbortFlag& abort,
                       const AbortFlag& closing);

}  // namespace mobillm::llamacpp
