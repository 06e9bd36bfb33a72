// Facts of a loaded or half-loaded model.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>

#include "context_options.hpp"

namespace mobillm::llamacpp {

// A metadata value as text; empty when the model has no such key.
std::string metadata_text(const llama_model* model, const char* key);

// A metadata value as a whole number; `fallback` when there is no such key or it is no number.
std::int64_t metadata_integer(const llama_model* model, const std::string& key,
                              std::int64_t fallback);

// A metadata value as a number; `fallback` when there is no such key or it is no number.
double metadata_number(const llama_model* model, const std::string& key, double fallback);

// Whether models of an architecture read a text at once and keep no cache; of those that the
// library has, the ones whose headers are checked for it.
bool is_encoder(const std::string& architecture);

// Throws UNSUPPORTED where a number format of the cache does not fit the model's heads: the library
// looks with flash attention alone, and ends the process without.
void require_fitting_cache(const llama_model* model, const ContextOptions& options);

// Keeps a pool for many from changing how a sequence is computed: a model with factors for long
// contexts (LongRoPE) gets them by the length of the whole pool, so that is no longer than what the
// other factors are for, where a sequence's own context is not.
void limit_pool(const llama_model* model, ContextOptions& options);

// Bytes of keys and values for a context, from the header alone:
// layers × tokens × KV heads × (key length × key size + value length × value size).
// Too high for architectures that cache less (recurrent layers, compressed attention).
std::uint64_t kv_cache_formula(const llama_model* model, const ContextOptions& options);

// Bytes of the compute buffer, from the header alone; an upper bound without flash attention:
// batch × (4 × embedding + 2 × feed-forward width + heads × context) × 4 + vocabulary × 4.
std::uint64_t compute_formula(const llama_model* model, const ContextOptions& options);

}  // namespace mobillm::llamacpp
