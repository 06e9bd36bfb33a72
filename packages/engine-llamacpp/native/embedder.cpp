#include "embedder.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "devices.hpp"
#include "library_log.hpp"
#include "memory_by_device.hpp"
#include "mobillm/error.hpp"
#include "model_header.hpp"
#include "offload_fit.hpp"
#include "open_error.hpp"
#include "status.hpp"

namespace mobillm::llamacpp {

namespace {

// Texts differ in length, and making a context costs as much as a short one.
constexpr std::uint32_t kGrowTokens = 256;

bool is_offloaded(const LayersByDevice& layers) {
  return layers.size() > 1 || layers.front().first != device_id(cpu_device());
}

std::uint32_t rounded_up(std::uint32_t tokens, std::uint32_t most) {
  return std::min((tokens + kGrowTokens - 1) / kGrowTokens * kGrowTokens, std::max(tokens, most));
}

}  // namespace

bool sees_whole_texts(const llama_model* model) {
  const std::string architecture = metadata_text(model, "general.architecture");
  return metadata_text(model, (architecture + ".attention.causal").c_str()) == "false" ||
         is_encoder(architecture);
}

Embedder::Embedder(llama_model* model, const ContextOptions& options, LayersByDevice layers,
                   ThreadPool& threads, AbortFlagPtr closing)
    : model_(model),
      options_(options),
      layers_(std::move(layers)),
      threads_(threads),
      closing_(std::move(closing)) {
  shape_.whole_texts = sees_whole_texts(model);
}

Embedder::~Embedder() {
  if (context_ != nullptr) threads_.remove(context_.get());
}

void Embedder::prepare(std::uint32_t text_tokens, bool ranks) {
  if (context_ != nullptr && shape_.text_tokens >= text_tokens && shape_.ranks == ranks) return;
  EmbeddingShape shape = shape_;
  shape.text_tokens =
      rounded_up(std::max(text_tokens, shape_.text_tokens), options_.context_tokens);
  shape.ranks = ranks;
  if (context_ != nullptr) threads_.remove(context_.get());
  context_.reset();
  if (!is_encoder(metadata_text(model_, "general.architecture"))) {
    require_fitting_cache(model_, options_);
  }
  check_memory(shape);

  const LogCapture log;
  llama_context_params params = to_params(model_, options_, shape);
  params.abort_callback = [](void* data) {
    const auto* self = static_cast<const Embedder*>(data);
    return self->closing_->is_set() || (self->polled_ != nullptr && self->polled_->is_set());
  };
  params.abort_callback_data = this;
  context_.reset(llama_init_from_model(model_, params));
  if (context_ == nullptr) throw context_failed(log.last_error());
  threads_.add(context_.get());
  shape_ = shape;
}

// As for generating, the system would grant it and end the process when it is used.
void Embedder::check_memory(const EmbeddingShape& shape) const {
  // Opening has counted a context for texts of the whole length already, by device and exactly.
  if (!options_.generates && is_offloaded(layers_)) return;
  ContextOptions options = options_;
  options.batch_tokens = embedding_step_tokens(options_, shape);
  options.context_tokens = std::max(shape.text_tokens, options.batch_tokens);
  options.pool_tokens = 0;
  const auto vocabulary =
      static_cast<std::uint64_t>(llama_vocab_n_tokens(llama_model_get_vocab(model_)));
  const std::uint64_t kv_cache = is_encoder(metadata_text(model_, "general.architecture"))
                                     ? 0
                                     : kv_cache_formula(model_, options);
  const DeviceMemory needed{
      .kv_cache = kv_cache,
      .compute = compute_formula(model_, options),
      .output = embedding_output_bytes(model_, vocabulary, options.batch_tokens)};
  require_memory(share_out(needed, layers_), [&](const DeviceMemory& row, std::uint64_t free) {
    // A model that only embeds is being opened, or was, with room for texts of its whole context.
    if (!options_.generates) {
      return model_out_of_memory(row.total(), free, shape.text_tokens,
                                 device_beside_cpu(row.device));
    }
    return out_of_memory(
        "To embed a text of " + std::to_string(shape.text_tokens) + " tokens needs", row.total(),
        free, device_beside_cpu(row.device),
        "Embed shorter texts, open the model with a smaller contextTokens or poolTokens, or close "
        "other models or programs.",
        {{"textTokens", static_cast<double>(shape.text_tokens)}});
  });
}

std::size_t Embedder::row_length(const EmbeddingJob& job) const {
  return job.pooling() == Pooling::kRank ? 1
                                         : static_cast<std::size_t>(llama_model_n_embd_out(model_));
}

void Embedder::forget_adapters() {
  if (context_ != nullptr) apply_adapters(context_.get(), nullptr);
}

void Embedder::step(EmbeddingJob& job) {
  if (job.abort.is_set() || closing_->is_set()) throw aborted();
  prepare(job.longest(), job.pooling() == Pooling::kRank);
  job.rows.resize(job.texts() * row_length(job));
  compose(job);
  fill_batch(job);
  // A job before this one may have ended in the middle of a text.
  if (job.next_done == 0) {
    if (llama_memory_t memory = llama_get_memory(context_.get())) llama_memory_clear(memory, false);
  }
  decode(job);
  std::size_t row = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    collect(job, items_[i], i, row);
    row += items_[i].count;
  }
}

// The rest of the next text as far as it fits, and whole texts behind it.
void Embedder::compose(const EmbeddingJob& job) {
  std::size_t room = embedding_step_tokens(options_, shape_);
  items_.clear();
  const std::size_t rest = job.text(job.next).size() - job.next_done;
  items_.push_back({job.next, job.next_done, std::min(rest, room)});
  room -= items_.back().count;
  // What is left of a long one has its keys in the cache, and ends alone.
  if (job.next_done > 0) return;
  for (std::size_t text = job.next + 1; text < job.texts(); ++text) {
    const std::size_t count = job.text(text).size();
    if (count > room || items_.size() == embedded_texts(model_)) return;
    items_.push_back({text, 0, count});
    room -= count;
  }
}

void Embedder::fill_batch(const EmbeddingJob& job) {
  batch_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    batch_.add({static_cast<llama_seq_id>(i), static_cast<llama_pos>(item.from),
                job.text(item.text).subspan(item.from, item.count), item.count});
  }
}

void Embedder::decode(const EmbeddingJob& job) {
  apply_adapters(context_.get(), job.adapters);
  polled_ = &job.abort;
  // Without a cache the library takes it for `llama_encode`.
  const std::int32_t status = llama_decode(context_.get(), batch_.get());
  polled_ = nullptr;
  require_decoded(status);
}

const float* Embedder::vector_of(std::size_t row) const {
  const float* vector = llama_get_embeddings_ith(context_.get(), static_cast<std::int32_t>(row));
  if (vector != nullptr) return vector;
  throw Error(code::kNativeFailure, "llama.cpp computed a text and gave no vector of it.");
}

void Embedder::collect(EmbeddingJob& job, const Item& item, std::size_t item_number,
                       std::size_t first_row) {
  const std::size_t length = row_length(job);
  const std::size_t text_tokens = job.text(item.text).size();
  const bool first = item.from == 0;
  const bool last = item.from + item.count == text_tokens;
  float* out = job.rows.data() + item.text * length;
  switch (job.pooling()) {
    case Pooling::kMean:
      if (first) job.sums.assign(length, 0);
      for (std::size_t row = first_row; row < first_row + item.count; ++row) {
        const float* vector = vector_of(row);
        for (std::size_t k = 0; k < length; ++k) job.sums[k] += static_cast<double>(vector[k]);
      }
      if (!last) break;
      for (std::size_t k = 0; k < length; ++k) {
        out[k] = static_cast<float>(job.sums[k] / static_cast<double>(text_tokens));
      }
      break;
    case Pooling::kCls:
      if (first) std::copy_n(vector_of(first_row), length, out);
      break;
    case Pooling::kLast:
      if (last) std::copy_n(vector_of(first_row + item.count - 1), length, out);
      break;
    case Pooling::kRank: {
      // Of a head with several outputs the first is how relevant it is.
      const float* scores =
          llama_get_embeddings_seq(context_.get(), static_cast<llama_seq_id>(item_number));
      if (scores == nullptr) {
        throw Error(code::kNativeFailure, "llama.cpp computed a text and gave no score of it.");
      }
      if (last) *out = *scores;
      break;
    }
  }
  job.next = last ? item.text + 1 : item.text;
  job.next_done = last ? 0 : item.from + item.count;
}

}  // namespace mobillm::llamacpp
