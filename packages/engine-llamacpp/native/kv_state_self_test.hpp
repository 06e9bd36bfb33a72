// The test that the codec passes before it is first used with a model.
#pragma once

#include <llama.h>

#include "context_options.hpp"
#include "kv_state_codec.hpp"

namespace mobillm::llamacpp {

// Makes a context of its own, computes a few tokens in it, and lets the library write, read and
// write them again. `expected` is what is known from the model's header. Throws UNSUPPORTED where
// the library's form is not the codec's.
KvStateCodec test_kv_state_codec(const llama_model* model, const ContextOptions& options,
                                 KvStateFormat expected);

}  // namespace mobillm::llamacpp
