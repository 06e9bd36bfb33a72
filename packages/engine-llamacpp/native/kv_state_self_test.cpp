#include "kv_state_self_test.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "library_log.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/error.hpp"
#include "open_error.hpp"

namespace mobillm::llamacpp {

namespace {

using Block = std::vector<std::byte>;

constexpr std::size_t kTokens = 3;

void require(bool fact, const char* what) {
  if (fact) return;
  throw Error(
      code::kUnsupported,
      std::string("This build of llama.cpp did not pass the test for handing caches over: ") +
          what + ".",
      {{"failed", std::string(what)}});
}

// A few tokens, in a context so small that it costs next to nothing beside the model's own.
CPtr<llama_context, llama_free> small_context(llama_model* model, ContextOptions options) {
  options.context_tokens = 32;
  options.batch_tokens = 32;
  options.sequences = 1;
  const LogCapture log;
  llama_context_params params = to_params(model, options);
  params.n_threads = 1;
  params.n_threads_batch = 1;
  CPtr<llama_context, llama_free> context(llama_init_from_model(model, params));
  if (context == nullptr) throw context_failed(log.last_error());
  return context;
}

void compute(llama_context* context, const llama_model* model) {
  const std::int32_t size = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::vector<llama_token> tokens(kTokens);
  for (std::size_t i = 0; i < kTokens; ++i) {
    tokens[i] = std::min(static_cast<std::int32_t>(i), size - 1);
  }
  require(llama_decode(context, llama_batch_get_one(tokens.data(), kTokens)) == 0,
          "it could not compute three tokens");
}

Block written(llama_context* context, llama_seq_id sequence) {
  Block block(llama_state_seq_get_size(context, sequence));
  const std::size_t size = llama_state_seq_get_data(
      context, reinterpret_cast<std::uint8_t*>(block.data()), block.size(), sequence);
  require(size == block.size(), "it wrote less than it said");
  return block;
}

// Whether values are transposed follows from the attention that the library chose, which it tells
// nowhere but in what it writes. Behind the head and the cells.
bool transposed(const Block& block, const ContextOptions& options) {
  constexpr std::size_t at = 16 + kTokens * 12;
  std::uint32_t flag = 2;
  if (block.size() >= at + sizeof flag) std::memcpy(&flag, block.data() + at, sizeof flag);
  require(flag == 0 || flag == 1, "it does not say whether values are transposed");
  const auto attention = options.flash_attention;
  require(attention == LLAMA_FLASH_ATTN_TYPE_AUTO ||
              (attention == LLAMA_FLASH_ATTN_TYPE_DISABLED) == (flag == 1),
          "values do not lie as the choice of attention makes them lie");
  return flag == 1;
}

// A block in the neutral layout.
struct Neutral {
  Block data;
  KvView view;

  Neutral(const KvStateCodec& codec, const Block& block, const KvStatePart& part) {
    const KvShape& shape = codec.format().shape;
    data.resize(shape.bytes(part.tokens));
    const KvSpan out{data, part.tokens};
    codec.decode(block, part, out, 0);
    view = {shape.dtype, shape.rope.pairing, {}, part.tokens};
    for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
      view.layers.push_back({out.keys(shape, layer), out.values(shape, layer)});
    }
  }
};

Block encoded(const KvStateCodec& codec, const Neutral& neutral, const KvStatePart& part) {
  Block block(codec.block_bytes(part.tokens));
  codec.encode(neutral.view, 0, part, block);
  return block;
}

}  // namespace

KvStateCodec test_kv_state_codec(const llama_model* model, const ContextOptions& options,
                                 KvStateFormat expected) {
  // The library takes models as not constant; making a context does not change one.
  const auto context = small_context(const_cast<llama_model*>(model), options);
  llama_memory_t memory = llama_get_memory(context.get());
  compute(context.get(), model);

  const KvStatePart first{0, 0, kTokens};
  const Block own = written(context.get(), 0);
  expected.transposed_values = transposed(own, options);
  const KvStateCodec codec(expected);
  const Neutral neutral(codec, own, first);
  require(encoded(codec, neutral, first) == own, "what was read and written again differs");

  // What it reads, it has to write again.
  const KvStatePart second{1, 0, kTokens};
  const Block given = encoded(codec, neutral, second);
  const std::size_t read = llama_state_seq_set_data(
      context.get(), reinterpret_cast<const std::uint8_t*>(given.data()), given.size(), 1);
  require(read == given.size(), "it did not read what it would have written");
  require(llama_memory_seq_pos_min(memory, 1) == 0 &&
              llama_memory_seq_pos_max(memory, 1) == static_cast<llama_pos>(kTokens) - 1,
          "it did not take the positions over");
  require(written(context.get(), 1) == given, "what it took over and wrote again differs");

  // The end of a sequence, over cells that two sequences share.
  llama_memory_seq_rm(memory, 1, -1, -1);
  llama_memory_seq_cp(memory, 0, 1, 1, -1);
  const KvStatePart end{1, 1, kTokens - 1};
  const Block part = written(context.get(), 1);
  const Neutral end_neutral(codec, part, end);
  require(encoded(codec, end_neutral, end) == part, "the end of a sequence differs");
  return codec;
}

}  // namespace mobillm::llamacpp
