#include "memory_estimate.hpp"

#include "devices.hpp"
#include "embedder.hpp"
#include "library_log.hpp"
#include "memory_report.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/error.hpp"
#include "model_header.hpp"
#include "offload_report.hpp"
#include "open_error.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

llama_model_kv_override override_of(const std::string& key) {
  llama_model_kv_override entry{};
  key.copy(entry.key, sizeof(entry.key) - 1);
  return entry;
}

// Bytes that the library keeps for each cell of a cache beside its keys and values; it allocates
// them even when it only simulates.
constexpr std::uint64_t kCellBytes = 64;

// Whether simulating a context is affordable. One that is far larger than the memory is not, and
// needs no exact number.
bool can_simulate(const llama_model* model, const ContextOptions& options) {
  // Their cache does not grow with the context.
  if (llama_model_is_recurrent(model) || llama_model_is_hybrid(model)) return true;
  const std::uint64_t available = available_memory_bytes().value_or(std::uint64_t{1} << 32);
  return kv_cache_formula(model, options) <= 2 * available &&
         options.cells() * kCellBytes <= available / 8;
}

// Adds what a context takes, and what the library tells of the weights on the way; `output` is that
// of its rows where the library does not tell.
void add_context(MemoryEstimate& estimate, llama_model* model, const ContextOptions& options,
                 const llama_context_params& params, const LayersByDevice& layers,
                 std::uint64_t output) {
  const bool caches = !is_encoder(metadata_text(model, "general.architecture"));
  if (caches) require_fitting_cache(model, options);
  MemoryReport report;
  std::vector<DeviceMemory> rows;
  if (can_simulate(model, options)) {
    const LogCapture log;
    const CPtr<llama_context, llama_free> context(llama_init_from_model(model, params));
    if (context == nullptr) throw context_failed(log.last_error());
    report = parse_memory_report(log.text());
    rows = memory_by_device(context.get());
  }
  if (!caches) report.kv_cache = 0;
  const bool exact = report.kv_cache && report.compute && report.output;
  if (!exact) {
    rows = share_out({.kv_cache = report.kv_cache.value_or(kv_cache_formula(model, options)),
                      .compute = report.compute.value_or(compute_formula(model, options))},
                     layers);
  }
  rows.front().output = report.output.value_or(output);
  for (const DeviceMemory& row : rows) {
    DeviceMemory& sum = row_of(estimate.devices, row.device);
    if (exact) sum.weights = row.weights;
    sum.kv_cache += row.kv_cache;
    sum.compute += row.compute;
    sum.output += row.output;
  }
  estimate.exact = estimate.exact && exact;
}

std::uint64_t sum_of(const std::vector<DeviceMemory>& rows, std::uint64_t DeviceMemory::*member) {
  std::uint64_t sum = 0;
  for (const DeviceMemory& row : rows) sum += row.*member;
  return sum;
}

}  // namespace

MemoryEstimate estimate_memory(const ModelFile& model_file, const ContextOptions& asked,
                               const Offload& offload, const AbortFlag& abort) {
  const LogCapture log(kOffloadLine);
  llama_model_params params = llama_model_default_params();
  // A model without a vocabulary, but with tensors as large as if it had one.
  llama_model_kv_override overrides[3] = {override_of("tokenizer.ggml.model"),
                                          override_of(model_file.architecture + ".vocab_size"),
                                          {}};
  overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_STR;
  std::string("none").copy(overrides[0].val_str, sizeof(overrides[0].val_str) - 1);
  overrides[1].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
  overrides[1].val_i64 = model_file.vocabulary_size;
  params.kv_overrides = overrides;
  params.no_alloc = true;
  params.load_mode = LLAMA_LOAD_MODE_NONE;
  const OffloadParams offload_params(offload);
  offload_params.apply(params);
  const CPtr<llama_model, llama_model_free> model(load_checked(model_file.file, params));
  if (abort.is_set()) throw aborted();
  if (model == nullptr) throw load_failed(model_file.file.path, log.last_error());

  ContextOptions options = asked;
  limit_pool(model.get(), options);
  MemoryEstimate estimate;
  estimate.layers = llama_model_n_layer(model.get());
  const LayersByDevice layers = parse_offload_report(log.text(), estimate.layers);
  estimate.layers_by_device = layers;
  estimate.devices = share_out({.weights = llama_model_size(model.get())}, layers);
  estimate.exact = true;
  const auto vocabulary_size = static_cast<std::uint64_t>(model_file.vocabulary_size);
  if (options.generates) {
    add_context(estimate, model.get(), options, to_params(model.get(), options), layers,
                vocabulary_size * sequence_numbers(model.get(), options) * sizeof(float));
    estimate.devices.front().output += draft_output_bytes(model.get(), options, vocabulary_size);
  }
  const std::uint32_t text_tokens =
      options.generates ? options.embed_tokens : options.context_tokens;
  if (text_tokens > 0) {
    const EmbeddingShape shape{text_tokens, sees_whole_texts(model.get()), false};
    const llama_context_params context = to_params(model.get(), options, shape);
    ContextOptions own = options;
    own.context_tokens = context.n_ctx;
    own.pool_tokens = 0;
    own.batch_tokens = context.n_batch;
    // Its rows grow with the first steps, so the library does not count them.
    const std::uint64_t output = estimate.devices.front().output;
    add_context(estimate, model.get(), own, context, layers, 0);
    estimate.devices.front().output =
        output + embedding_output_bytes(model.get(), vocabulary_size, own.batch_tokens);
  }
  for (DeviceMemory& row : estimate.devices) {
    if (row.total() > 0) row.compute += untold_bytes(row.device);
  }
  estimate.weights = sum_of(estimate.devices, &DeviceMemory::weights);
  estimate.kv_cache = sum_of(estimate.devices, &DeviceMemory::kv_cache);
  estimate.compute = sum_of(estimate.devices, &DeviceMemory::compute);
  estimate.output = sum_of(estimate.devices, &DeviceMemory::output);
  return estimate;
}

}  // namespace mobillm::llamacpp
