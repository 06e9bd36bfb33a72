// What JavaScript gives to, and gets from, a sequence whose cache is handed over.
#pragma once

#include <napi.h>

#include <cstdint>
#include <vector>

#include "mobillm/kv_layout.hpp"
#include "mobillm/sequence.hpp"
#include "mobillm/token.hpp"

namespace mobillm {

// How JavaScript names a number format: `f16`.
const char* dtype_word(KvDtype dtype);

// { dtype, layers, kvHeads, keyLength, valueLength, rope: { pairing, base, scale, rotatedLength },
// vocabularySize, contextTokens }
Napi::Object kv_shape_object(Napi::Env env, const KvShape& shape, const SequenceModel& model);

// A snapshot to append. `view` points into memory of `memory`, a JavaScript object to be kept until
// it was read.
struct KvImport {
  std::int32_t start = 0;  // number of tokens that go before
  std::vector<Token> tokens;
  KvView view;
  std::vector<float> next_logits;  // empty where they are not known
  Napi::Object memory;
};

// Reads { startPosition, tokens, dtype, pairing, layers: [{ keys, values }], nextLogits? } and
// checks every count and length against `shape`: throws KV_MISMATCH where they differ.
KvImport read_kv_import(Napi::Env env, Napi::Value value, const KvShape& shape,
                        std::int32_t vocabulary_size);

}  // namespace mobillm
