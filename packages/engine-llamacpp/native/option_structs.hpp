// JavaScript options as the plain structs of this engine.
#pragma once

#include <napi.h>

#include "generation.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

CheckedFile read_checked_file(Napi::Value value);
ContextOptions read_context_options(Napi::Value value);

// `on_progress` is left empty.
OpenOptions read_open_options(Napi::Value value);

// `vocabulary_size` bounds the tokens that it names.
GenerateSpec read_generate_spec(Napi::Value value, int vocabulary_size);

// An Int32Array of tokens within the vocabulary.
std::vector<llama_token> read_tokens(Napi::Value value, const std::string& key,
                                     int vocabulary_size);

}  // namespace mobillm::llamacpp
