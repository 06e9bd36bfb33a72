// The paged KV cache of one sequence, an object of the TVM runtime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mobillm/abort_flag.hpp"
#include "mobillm/kv_layout.hpp"
#include "tvm_value.hpp"

namespace mobillm::mlc {

// Functions of the runtime that work on caches. Those of checkpoints are none in older runtimes.
struct KvFunctions {
  KvFunctions();

  Function shape, add_sequence, begin_forward, end_forward, pop;
  Function checkpoint_metadata, export_group, prepare_import, import_group, finish_import;
};

// How large a cache is made.
struct KvCacheSize {
  std::int64_t context_tokens = 0;
  std::int64_t chunk_tokens = 0;  // most tokens of one step, as the model was compiled
};

// What the runtime tells of a cache's memory.
struct KvLayout {
  std::int64_t page_tokens = 0;
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_length = 0;  // of keys and values alike
  KvDtype dtype = KvDtype::kF32;
  abi::DataType data_type{};
  double rope_base = 0;
  double rope_scale = 1;
};

// Keeps to one sequence, with the number 0. All of it is for the model's thread.
class KvCache {
 public:
  // `functions` and `create` outlive it.
  KvCache(const KvFunctions& functions, const Function& create, KvCacheSize size);

  const Value& value() const { return cache_; }

  // Around each step, which appends `count` tokens.
  void begin_step(std::int64_t count);
  void end_step();

  // Takes the last `count` tokens away.
  void pop(std::int64_t count);

  // Throws UNSUPPORTED where the runtime, or this kind of cache, cannot be read and written.
  KvLayout layout() const;

  // Reads the keys and values of `out.tokens` tokens, the last of `total`. Throws ABORTED.
  void export_tokens(const KvLayout& layout, std::int64_t total, const KvShape& shape, KvSpan out,
                     const AbortFlag& abort) const;

  // A new cache with the `total` tokens of this one and those of `in` behind them. This one stays
  // as it is. Throws ABORTED.
  KvCache with_appended(const KvLayout& layout, std::int64_t total, const KvShape& shape,
                        const KvView& in, const AbortFlag& abort) const;

 private:
  Value metadata() const;
  std::string metadata_for(const Value& metadata, const KvLayout& layout,
                           std::int64_t tokens) const;

  const KvFunctions* functions_;
  const Function* create_;
  KvCacheSize size_;
  Value cache_;
  Value sequence_;  // the shape [0], which names the sequence in each step
};

}  // namespace mobillm::mlc
