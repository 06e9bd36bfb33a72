#include "kv_hand_over.hpp"

#include <algorithm>
#include <utility>

#include "kv_state_self_test.hpp"
#include "mobillm/error.hpp"
#include "model_header.hpp"
#include "open_error.hpp"

namespace mobillm::llamacpp {

namespace {

// Tokens that go through a block at once: bounds the memory that it takes, and the time until an
// abort is seen.
constexpr std::size_t kSliceTokens = 256;

std::optional<KvDtype> dtype_of(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32:
      return KvDtype::kF32;
    case GGML_TYPE_F16:
      return KvDtype::kF16;
    case GGML_TYPE_BF16:
      return KvDtype::kBf16;
    default:
      return std::nullopt;
  }
}

// What a snapshot cannot describe of a model's cache; empty where it can.
std::string hindrance(const llama_model* model, const ContextOptions& options,
                      const std::string& architecture) {
  if (!caches_by_token(model)) return "it keeps a state that each token changes, and no keys";
  if (llama_model_n_swa(model) > 0) return "some of its layers see a window of the text only";
  const std::string attention = architecture + ".attention.";
  for (const char* key : {"kv_lora_rank", "key_length_mla"}) {
    if (!metadata_text(model, (attention + key).c_str()).empty()) return "its keys are compressed";
  }
  // A list of numbers, one a layer.
  if (metadata_text(model, (attention + "head_count_kv").c_str()).starts_with('[')) {
    return "its layers have different numbers of heads";
  }
  const llama_rope_type rope = llama_model_rope_type(model);
  if (rope != LLAMA_ROPE_TYPE_NORM && rope != LLAMA_ROPE_TYPE_NEOX) {
    return "its keys are rotated in a way of their own, or not at all";
  }
  const std::string scaling = metadata_text(model, (architecture + ".rope.scaling.type").c_str());
  if (!scaling.empty() && scaling != "none" && scaling != "linear") {
    return "the rotation of its keys is scaled by \"" + scaling + "\"";
  }
  for (const ggml_type type : {options.key_type, options.value_type}) {
    if (!dtype_of(type)) {
      return std::string("its cache was opened with ") + ggml_type_name(type) +
             " numbers; open it with f16, bf16 or f32";
    }
  }
  return {};
}

KvStateFormat format_of(const llama_model* model, const ContextOptions& options,
                        const std::string& architecture) {
  const auto integer = [&](const char* key, std::int64_t fallback) {
    return static_cast<std::int32_t>(metadata_integer(model, architecture + key, fallback));
  };
  const std::int32_t head_length =
      llama_model_n_embd(model) / std::max(1, llama_model_n_head(model));
  KvStateFormat format;
  format.key_type = options.key_type;
  format.value_type = options.value_type;
  KvShape& shape = format.shape;
  // One format for all tensors: where keys and values differ, the one that holds both.
  shape.dtype =
      options.key_type == options.value_type ? *dtype_of(options.key_type) : KvDtype::kF32;
  shape.layers = llama_model_n_layer(model);
  shape.kv_heads = llama_model_n_head_kv(model);
  shape.key_length = integer(".attention.key_length", head_length);
  shape.value_length = integer(".attention.value_length", head_length);
  shape.rope.pairing = llama_model_rope_type(model) == LLAMA_ROPE_TYPE_NEOX
                           ? KvPairing::kNeox
                           : KvPairing::kInterleaved;
  shape.rope.base = metadata_number(model, architecture + ".rope.freq_base", 10000);
  shape.rope.scale = llama_model_rope_freq_scale_train(model);
  shape.rope.rotated_length = integer(".rope.dimension_count", shape.key_length);
  return format;
}

// Empties a sequence number, now and at the end.
class BorrowedSequence {
 public:
  BorrowedSequence(llama_context* context, llama_seq_id id)
      : memory_(llama_get_memory(context)), id_(id) {
    clear();
  }
  BorrowedSequence(const BorrowedSequence&) = delete;
  BorrowedSequence& operator=(const BorrowedSequence&) = delete;
  ~BorrowedSequence() { clear(); }

  void clear() { llama_memory_seq_rm(memory_, id_, -1, -1); }

 private:
  llama_memory_t memory_;
  llama_seq_id id_;
};

// Cells of the pool that no sequence holds, all ids up to the last one counted.
std::size_t free_cells(llama_context* context, llama_seq_id last) {
  llama_memory_t memory = llama_get_memory(context);
  std::size_t used = 0;
  for (llama_seq_id id = 0; id <= last; ++id) {
    const llama_pos end = llama_memory_seq_pos_max(memory, id);
    if (end >= 0) used += static_cast<std::size_t>(end - llama_memory_seq_pos_min(memory, id)) + 1;
  }
  const std::size_t cells = llama_n_ctx(context);
  return cells > used ? cells - used : 0;
}

}  // namespace

KvHandOver::KvHandOver(const llama_model* model, const ContextOptions& options,
                       AbortFlagPtr closing)
    : options_(options), closing_(std::move(closing)) {
  const std::string architecture = metadata_text(model, "general.architecture");
  reason_ = hindrance(model, options, architecture);
  if (!reason_.empty()) return;
  format_ = format_of(model, options, architecture);
  const KvShape& shape = format_->shape;
  const bool sound = shape.kv_heads > 0 && shape.key_length > 0 && shape.value_length > 0 &&
                     shape.rope.rotated_length >= 0 && shape.rope.rotated_length % 2 == 0 &&
                     shape.rope.rotated_length <= shape.key_length;
  if (sound) return;
  reason_ = "its header does not tell the size of its heads";
  format_.reset();
}

const KvShape& KvHandOver::shape() const {
  if (!format_) {
    throw Error(code::kUnsupported,
                "The cache of this model cannot be handed over: " + reason_ + ".",
                {{"reason", reason_}});
  }
  return format_->shape;
}

void KvHandOver::require_going_on(const AbortFlag& abort) const {
  if (abort.is_set() || closing_->is_set()) throw aborted();
}

const KvStateCodec& KvHandOver::tested_codec(const llama_context* context) {
  shape();
  if (!codec_) codec_ = test_kv_state_codec(llama_get_model(context), options_, *format_);
  return *codec_;
}

void KvHandOver::read(llama_context* context, llama_seq_id sequence, std::int32_t from, KvSpan out,
                      const AbortFlag& abort) {
  const KvStateCodec& codec = tested_codec(context);
  llama_memory_t memory = llama_get_memory(context);
  const auto spare = static_cast<llama_seq_id>(options_.sequences);
  const BorrowedSequence emptied(context, spare);
  for (std::size_t done = 0; done < out.tokens;) {
    require_going_on(abort);
    const std::size_t count = std::min(kSliceTokens, out.tokens - done);
    const auto begin = from + static_cast<std::int32_t>(done);
    const auto end = begin + static_cast<std::int32_t>(count);
    // The library writes whole sequences: this one shares the cells of the part that is wanted.
    llama_memory_seq_cp(memory, sequence, spare, begin, end);
    block_.resize(codec.block_bytes(count));
    const std::size_t written = llama_state_seq_get_data(
        context, reinterpret_cast<std::uint8_t*>(block_.data()), block_.size(), spare);
    llama_memory_seq_rm(memory, spare, -1, -1);
    codec.decode({block_.data(), std::min(written, block_.size())}, {spare, begin, count}, out,
                 done);
    done += count;
  }
}

void KvHandOver::append(llama_context* context, llama_seq_id sequence, std::int32_t before,
                        const KvView& in, const AbortFlag& abort) {
  const KvStateCodec& codec = tested_codec(context);
  llama_memory_t memory = llama_get_memory(context);
  const auto spare = static_cast<llama_seq_id>(options_.sequences);
  const BorrowedSequence emptied(context, spare);
  for (std::size_t done = 0; done < in.tokens;) {
    require_going_on(abort);
    const std::size_t count = std::min(kSliceTokens, in.tokens - done);
    const auto begin = before + static_cast<std::int32_t>(done);
    block_.resize(codec.block_bytes(count));
    codec.encode(in, done, {spare, begin, count}, block_);
    // It replaces a whole sequence, so it goes into one of its own and is added from there.
    const std::size_t read = llama_state_seq_set_data(
        context, reinterpret_cast<const std::uint8_t*>(block_.data()), block_.size(), spare);
    if (read != block_.size() && count <= free_cells(context, spare)) {
      throw Error(code::kNativeFailure,
                  "llama.cpp refused keys and values although there is room for them; its log says "
                  "why (option log).");
    }
    if (read != block_.size()) {
      throw Error(code::kContextFull,
                  "The cache that the model's sequences share has no room for the " +
                      std::to_string(in.tokens) +
                      " tokens of the snapshot. Close a sequence, or open the model with more "
                      "engineOptions.poolTokens.",
                  {{"promptTokens", static_cast<double>(in.tokens)},
                   {"poolTokens", static_cast<double>(llama_n_ctx(context))}});
    }
    llama_memory_seq_cp(memory, spare, sequence, -1, -1);
    llama_memory_seq_rm(memory, spare, -1, -1);
    done += count;
  }
  // A restore that did nothing, and said nothing, would only show in what the model says next.
  const auto last = before + static_cast<std::int32_t>(in.tokens) - 1;
  if (llama_memory_seq_pos_min(memory, sequence) != 0 ||
      llama_memory_seq_pos_max(memory, sequence) != last) {
    throw Error(code::kNativeFailure,
                "llama.cpp did not take the keys and values over, without saying why.");
  }
}

}  // namespace mobillm::llamacpp
