#include "model_sequence.hpp"

#include <atomic>
#include <cstring>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

SequenceId next_id() {
  static std::atomic<SequenceId> last{0};
  return ++last;
}

void check_abort(const AbortFlag& abort) {
  if (abort.is_set()) throw Error(code::kAborted, "Handing the cache over was aborted.");
}

}  // namespace

ModelSequence::ModelSequence(std::shared_ptr<Model> model)
    : model_(std::move(model)), id_(next_id()), cache_(model_->take_place()) {}

KvCache& ModelSequence::cache() {
  if (!cache_) throw Error(code::kClosed, "The sequence was closed.");
  return *cache_;
}

StepStatus ModelSequence::append(std::span<const Token> tokens, bool wants_logits,
                                 const AbortFlag& abort) {
  const std::size_t before = tokens_.size();
  if (before + tokens.size() > cache().capacity()) return StepStatus::kNoRoom;
  // Nothing counts before all of it is computed: rows behind the last token may hold anything.
  for (std::size_t done = 0; done < tokens.size();) {
    if (abort.is_set() || model_->aborted()) return StepStatus::kAborted;
    done += model_->step(id_, cache(), static_cast<std::uint32_t>(before + done),
                         tokens.subspan(done), wants_logits);
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
  return StepStatus::kDone;
}

std::int32_t ModelSequence::truncate(std::int32_t count) {
  const auto left = std::min(static_cast<std::size_t>(count), tokens_.size());
  tokens_.resize(left);
  model_->forget(id_, static_cast<std::uint32_t>(left));
  publish();
  return token_count();
}

bool ModelSequence::copy_from(const Sequence& source, std::int32_t count) {
  const auto& other = static_cast<const ModelSequence&>(source);
  if (!other.cache_) throw Error(code::kClosed, "The sequence to copy was closed.");
  truncate(0);
  cache().copy_from(*other.cache_, static_cast<std::uint32_t>(count));
  tokens_.assign(other.tokens().begin(), other.tokens().begin() + count);
  publish();
  if (count == other.token_count() && other.has_kept_logits()) keep_logits(other.kept_logits());
  return true;
}

void ModelSequence::release() {
  if (!cache_) return;
  truncate(0);
  cache_.reset();
  model_->return_place();
}

KvShape ModelSequence::kv_shape() const {
  const OpenOptions& options = model_->options();
  KvShape shape;
  shape.dtype = KvDtype::kF16;
  shape.layers = static_cast<std::int32_t>(options.shape.layers);
  shape.kv_heads = static_cast<std::int32_t>(options.shape.kv_heads);
  shape.key_length = static_cast<std::int32_t>(options.shape.head_length);
  shape.value_length = shape.key_length;
  shape.rope = {KvPairing::kNeox, options.rope_base, options.rope_scale, shape.key_length};
  return shape;
}

void ModelSequence::export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) {
  const KvShape shape = kv_shape();
  const std::size_t bytes = shape.key_bytes(out.tokens) / cache().kv_heads();  // of a head
  for (std::uint32_t layer = 0; layer < cache().layers(); ++layer) {
    check_abort(abort);
    std::byte* keys = out.keys(shape, static_cast<std::int32_t>(layer));
    std::byte* values = out.values(shape, static_cast<std::int32_t>(layer));
    for (std::uint32_t head = 0; head < cache().kv_heads(); ++head) {
      std::memcpy(keys + head * bytes, cache().key(layer, head, static_cast<std::uint32_t>(from)),
                  bytes);
      std::memcpy(values + head * bytes,
                  cache().value(layer, head, static_cast<std::uint32_t>(from)), bytes);
    }
  }
}

void ModelSequence::import_kv(const KvView& in, std::span<const Token> tokens,
                              const AbortFlag& abort) {
  const auto before = static_cast<std::uint32_t>(tokens_.size());
  if (before + tokens.size() > cache().capacity()) {
    throw Error(code::kContextFull, "The cache to take over has " + std::to_string(tokens.size()) +
                                        " tokens, and the sequence has room for " +
                                        std::to_string(cache().capacity() - before) + '.');
  }
  // Graphs may hold rows from here on, of steps that were given up in the middle.
  model_->forget(id_, before);
  const auto length = static_cast<std::int32_t>(cache().head_length());
  const std::size_t row = cache().head_length() * sizeof(std::uint16_t);
  const std::size_t row_in = cache().head_length() * kv_element_bytes(in.dtype);
  const KvRowFormat own{KvDtype::kF16, KvPairing::kNeox};
  for (std::uint32_t layer = 0; layer < cache().layers(); ++layer) {
    check_abort(abort);
    for (std::uint32_t head = 0; head < cache().kv_heads(); ++head) {
      const std::size_t at = head * tokens.size() * row_in;
      convert_kv_rows(in.layers[layer].keys + at, row_in, {in.dtype, in.pairing},
                      reinterpret_cast<std::byte*>(cache().key(layer, head, before)), row, own,
                      tokens.size(), length, length);
      convert_kv_rows(in.layers[layer].values + at, row_in, {in.dtype, in.pairing},
                      reinterpret_cast<std::byte*>(cache().value(layer, head, before)), row, own,
                      tokens.size(), length, 0);
    }
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
}

}  // namespace mobillm::qnn
