// Handing the cache of a model's sequences over: what it is like, whether that can be done at all,
// and the calls of the library that do it.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "context_options.hpp"
#include "kv_state_codec.hpp"
#include "mobillm/abort_flag.hpp"

namespace mobillm::llamacpp {

// One a model. `shape` may be called on any thread, all else is for the model's own.
class KvHandOver {
 public:
  // Reads the facts of a loaded model. `closing` is set when the model is about to be freed.
  KvHandOver(const llama_model* model, const ContextOptions& options, AbortFlagPtr closing);

  // Throws UNSUPPORTED, with the reason, where this model's cache cannot be handed over.
  const KvShape& shape() const;

  // Reads the tokens of a sequence from `from` on. Throws ABORTED, UNSUPPORTED.
  void read(llama_context* context, llama_seq_id sequence, std::int32_t from, KvSpan out,
            const AbortFlag& abort);

  // Appends to a sequence that has `before` tokens. Throws CONTEXT_FULL, ABORTED, UNSUPPORTED; what
  // was appended until then is for the caller to cut off.
  void append(llama_context* context, llama_seq_id sequence, std::int32_t before, const KvView& in,
              const AbortFlag& abort);

 private:
  // The codec, once the library has shown that it writes and reads the form that the codec knows.
  const KvStateCodec& tested_codec(const llama_context* context);
  void require_going_on(const AbortFlag& abort) const;

  ContextOptions options_;
  AbortFlagPtr closing_;
  // One of the two.
  std::optional<KvStateFormat> format_;
  std::string reason_;
  std::optional<KvStateCodec> codec_;  // after the test
  std::vector<std::byte> block_;
};

}  // namespace mobillm::llamacpp
