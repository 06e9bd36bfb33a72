#include "model.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "mlc_sequence.hpp"
#include "processors.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace mobillm::mlc {

namespace {

constexpr abi::Device kDevice{abi::kCpu, 0};
constexpr abi::DataType kInt32{abi::kSignedInteger, 32, 1};
constexpr abi::DataType kFloat32{abi::kFloatingPoint, 32, 1};

// Tokens that the cache of the probe has to hold.
constexpr std::int64_t kProbeTokens = 2;

Error not_as_told(const std::string& what) {
  return {code::kModelInvalid, "The model library does not belong to its configuration: " + what +
                                   ". Compile or download the model again."};
}

}  // namespace

struct Model::Loaded {
  explicit Loaded(const LibraryFile& file) : library(file, kDevice) {}

  Function allocate = require_global("runtime.TVMTensorAllocWithScope");
  Function copy_in = require_global("runtime.TVMTensorCopyFromBytes");
  Function reshape = require_global("vm.builtin.reshape");
  Function array_item = require_global("ffi.ArrayGetItem");
  KvFunctions kv;

  ModelLibrary library;
  Value parameters;
  Value logits;  // of the last step
};

Model::Model(OpenOptions options)
    : options_(std::move(options)),
      step_tokens_(options_.step_tokens),
      threads_(options_.threads) {}

Model::~Model() {
  closing_.set();
  worker_.stop();
  free();
}

Model::Loaded& Model::loaded() const {
  if (loaded_ == nullptr) throw Error(code::kClosed, "The model was closed. Open it again.");
  return *loaded_;
}

std::string Model::load_library() {
  use_threads(options_.threads);
  loaded_ = std::make_unique<Loaded>(options_.library);
  if (aborted()) throw Error(code::kAborted, "The call was aborted.");
  return loaded_->library.metadata();
}

void Model::load_weights(const WeightsOptions& options) {
  check_tensor_cache(options.cache);
  vocabulary_size_ = options.vocabulary_size;
  chunk_tokens_ = options.chunk_tokens;
  rope_ = options.rope;
  step_tokens_ = std::min<std::uint32_t>(step_tokens_, chunk_tokens_);
  const auto progress = [&](float share) {
    // The probe is the rest.
    if (options_.on_progress) options_.on_progress(share * 0.98F);
  };
  loaded().parameters = load_parameters(options.cache, kDevice, closing_, progress);
  probe();
  if (aborted()) throw Error(code::kAborted, "The call was aborted.");
  if (options_.on_progress) options_.on_progress(1);
}

void Model::probe() {
  try {
    KvCache cache(loaded().kv, loaded().library.create_cache, {kProbeTokens, chunk_tokens_});
    describe_cache(cache);
    const Token first[] = {0};
    forward(cache, first);
  } catch (const TvmError& error) {
    throw not_as_told(error.reason());
  }
}

void Model::describe_cache(const KvCache& cache) {
  try {
    layout_ = cache.layout();
    kv_dtype_ = layout_.dtype;
  } catch (const Error& error) {
    if (error.code() != code::kUnsupported) throw;
    kv_refusal_ = error.what();
    return;
  }
  if (!rope_) {
    kv_refusal_ =
        "The model's folder does not say how its keys are rotated, so its KV cache cannot be "
        "handed over. Compile the model with this engine's own compiler.";
    return;
  }
  const auto length = static_cast<std::int32_t>(layout_.head_length);
  if (rope_->rotated_length < 2 || rope_->rotated_length > length ||
      rope_->rotated_length % 2 != 0) {
    throw not_as_told("its keys are said to be rotated in " +
                      std::to_string(rope_->rotated_length) + " of " + std::to_string(length) +
                      " values");
  }
  kv_shape_ = {.dtype = layout_.dtype,
               .layers = static_cast<std::int32_t>(layout_.layers),
               .kv_heads = static_cast<std::int32_t>(layout_.kv_heads),
               .key_length = length,
               .value_length = length,
               .rope = {.pairing = rope_->pairing,
                        .base = layout_.rope_base,
                        .scale = layout_.rope_scale,
                        .rotated_length = rope_->rotated_length}};
}

const KvShape& Model::kv_shape() const {
  if (!kv_refusal_.empty()) throw Error(code::kUnsupported, kv_refusal_);
  return kv_shape_;
}

void Model::free() {
  if (loaded_ == nullptr) return;
  loaded_.reset();
  // What the pool keeps of freed memory; other models lose nothing but a head start.
  if (const Function clear = find_global("vm.builtin.memory_manager.clear")) clear();
#ifdef __GLIBC__
  // Weights are tensors of a few megabytes, which the C library keeps for the next allocation:
  // after closing a model the process would go on holding hundreds of them.
  malloc_trim(0);
#endif
}

void Model::adjust(int threads, std::uint32_t step_tokens) {
  loaded();
  if (threads > 0) {
    use_threads(threads);
    threads_ = threads;
  }
  if (step_tokens > 0) step_tokens_ = std::min(step_tokens, chunk_tokens_);
}

KvCache Model::make_cache() const {
  const Loaded& parts = loaded();
  return {parts.kv, parts.library.create_cache, {options_.context_tokens, chunk_tokens_}};
}

bool Model::take_place() {
  if (++taken_places_ <= options_.sequences) return true;
  --taken_places_;
  return false;
}

StepStatus Model::compute(std::span<const StepItem> items) {
  const StepItem& item = items.front();
  auto& sequence = static_cast<MlcSequence&>(*item.sequence);
  const StepStatus status = sequence.append(item.tokens, *item.abort);
  logits_ = sequence.logits();
  return status;
}

const float* Model::forward(KvCache& cache, std::span<const Token> tokens) {
  Loaded& parts = loaded();
  const auto count = static_cast<std::int64_t>(tokens.size());
  const auto as_tensor = [&](std::span<const Token> numbers) {
    const auto extent = static_cast<std::int64_t>(numbers.size());
    Value tensor = parts.allocate(parts.kv.shape(extent), kInt32, kDevice, nullptr);
    parts.copy_in(tensor, Argument::memory(numbers.data()), extent * 4);
    return tensor;
  };
  const Value embedded = parts.library.embed(as_tensor(tokens), parts.parameters);
  const abi::Tensor& rows = embedded.tensor();
  if (rows.dimensions != 2 || rows.shape[0] != count) {
    throw not_as_told("embed gives no row for each token");
  }
  const Value input =
      parts.reshape(embedded, parts.kv.shape(std::int64_t{1}, count, rows.shape[1]));

  cache.begin_step(count);
  Value result;
  if (count == 1) {
    result = parts.library.decode(input, cache.value(), parts.parameters);
  } else if (parts.library.batched()) {
    const Token last[] = {static_cast<Token>(count - 1)};
    result = parts.library.prefill(input, as_tensor(last), cache.value(), parts.parameters);
  } else {
    result = parts.library.prefill(input, cache.value(), parts.parameters);
  }
  cache.end_step();

  parts.logits = parts.array_item(result, std::int64_t{0});
  const abi::Tensor& logits = parts.logits.tensor();
  std::int64_t numbers = 1;
  for (std::int32_t i = 0; i < logits.dimensions; ++i) numbers *= logits.shape[i];
  if (numbers != vocabulary_size_ || logits.data_type != kFloat32 ||
      logits.device.type != abi::kCpu) {
    throw not_as_told("it gives " + std::to_string(numbers) + " logits, and " +
                      std::to_string(vocabulary_size_) + " 32-bit numbers were expected");
  }
  return reinterpret_cast<const float*>(static_cast<const std::byte*>(logits.data) +
                                        logits.byte_offset);
}

}  // namespace mobillm::mlc
