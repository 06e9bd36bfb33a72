// JavaScript's options of a generation as plain structs.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mobillm/generation.hpp"

namespace mobillm {

// `vocabulary_size` bounds the tokens that it names.
GenerateSpec read_generate_spec(Napi::Value value, std::int32_t vocabulary_size);

// A Uint8Array with the bytes of all tokens, and a Uint32Array of where those of each end.
TokenBytes read_token_bytes(Napi::Value bytes, Napi::Value ends);

// An Int32Array of tokens within the vocabulary.
std::vector<Token> read_tokens(Napi::Value value, const std::string& key,
                               std::int32_t vocabulary_size);

}  // namespace mobillm
