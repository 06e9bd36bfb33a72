#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "codes.hpp"
#include "device.hpp"
#include "mobillm/float16.hpp"
#include "model_sequence.hpp"

namespace mobillm::qnn {

namespace {

void check_options(const OpenOptions& options) {
  const auto require = [](bool fact, const char* key, const char* sentence) {
    if (!fact) throw InvalidArgument(InvalidArgument::Kind::kRange, key, sentence);
  };
  check_shape(options.shape);
  check_graphs(options.graphs, options.compiled_context_tokens);
  check_cache(options.shape, options.compiled_context_tokens);
  require(options.context_tokens >= 1 && options.context_tokens <= options.compiled_context_tokens,
          "contextTokens", "must be from 1 to the context that the model was compiled for");
  require(options.sequences >= 1, "sequences", "must be at least 1");
  require(std::isfinite(options.rope_base) && options.rope_base > 0, "ropeBase",
          "must be positive");
  require(std::isfinite(options.rope_scale) && options.rope_scale > 0, "ropeScale",
          "must be positive");
}

// The chip to set the device up as: a phone knows its own; the emulator imitates the one that the
// binary is for.
std::optional<std::uint32_t> chip_for(const Library& library, const BinaryDescription& binary) {
  if (!is_emulated(library) || binary.soc_model == 0) return std::nullopt;
  return binary.soc_model;
}

Target find_target(const Library& library, const MadeWith& made_with) {
  if (is_emulated(library)) return made_with.target;
  const std::vector<DeviceInfo> devices = list_devices(library);
  return devices.empty() ? Target{} : devices.front().target;
}

const GraphDescription& find_graph(const BinaryDescription& binary, const std::string& name) {
  for (const GraphDescription& graph : binary.graphs) {
    if (graph.name == name) return graph;
  }
  throw Error(code::kModelInvalid, "The context binary has no graph " + name +
                                       ", which its manifest names. Compile the model again.");
}

}  // namespace

Model::Model(Libraries libraries, OpenOptions options)
    : libraries_(std::move(libraries)), options_(std::move(options)) {
  check_options(options_);
}

Model::~Model() {
  closing_->set();
  worker_.stop();
  free();
}

void Model::progress(float share) const {
  if (aborted()) throw Error(code::kAborted, "Opening the model was aborted.");
  if (options_.on_progress) options_.on_progress(share);
}

void Model::load() {
  const Library& library = *libraries_.backend;
  std::vector<std::byte> binary = read_recorded(options_.binary, *closing_);
  progress(0.4f);
  const BinaryDescription description = describe_binary(*libraries_.system, binary);
  target_ = find_target(library, options_.made_with);
  check_compatible(description, options_.made_with, library, target_);
  auto device = std::make_unique<Device>(libraries_.backend, chip_for(library, description));
  context_ = Context::load(std::move(device), binary);
  binary = {};
  progress(0.9f);

  for (const GraphPlan& plan : options_.graphs) {
    const GraphDescription& found = find_graph(description, plan.name);
    auto graph = std::make_unique<Graph>(*context_, context_->find_graph(plan.name), plan.name,
                                         found.inputs, found.outputs);
    runners_.push_back(std::make_unique<LlamaRunner>(std::move(graph), options_.shape, plan.tokens,
                                                     options_.compiled_context_tokens));
  }
  std::sort(runners_.begin(), runners_.end(),
            [](const auto& one, const auto& other) { return one->tokens() < other->tokens(); });
  rope_ = RopeTable(options_.compiled_context_tokens, options_.shape.head_length,
                    options_.rope_base, options_.rope_scale);
  logits_.resize(options_.shape.vocabulary_size);
  progress(1);
}

void Model::free() {
  runners_.clear();
  context_.reset();
}

LlamaRunner& Model::runner_for(std::uint32_t past, std::size_t tokens) {
  if (runners_.empty()) throw Error(code::kClosed, "The model was closed. Open it again.");
  // The one that takes them all with the least padding, or else the most of them. There is one of a
  // single token, which fits wherever there is room for a token.
  LlamaRunner* best = runners_.front().get();
  for (const auto& runner : runners_) {
    if (!runner->fits(past)) break;
    best = runner.get();
    if (runner->tokens() >= tokens) break;
  }
  return *best;
}

std::uint32_t Model::step(SequenceId sequence, KvCache& cache, std::uint32_t past,
                          std::span<const Token> tokens, bool wants_logits) {
  LlamaRunner& runner = runner_for(past, tokens.size());
  // A graph may hold rows of a step that was given up in the middle, and that came after another.
  forget(sequence, past);
  const std::size_t count = std::min<std::size_t>(tokens.size(), runner.tokens());
  runner.run(sequence, cache, past, tokens.first(count), rope_);
  if (wants_logits && count == tokens.size()) {
    const auto row = runner.logits(static_cast<std::uint32_t>(count) - 1);
    std::ranges::transform(row, logits_.begin(), f16_to_f32);
  }
  return static_cast<std::uint32_t>(count);
}

void Model::forget(SequenceId sequence, std::uint32_t count) {
  for (const auto& runner : runners_) runner->forget(sequence, count);
}

StepStatus Model::compute(std::span<const StepItem> items) {
  const StepItem& item = items.front();
  return static_cast<ModelSequence&>(*item.sequence)
      .append(item.tokens, item.logit_rows > 0, *item.abort);
}

std::size_t Model::step_tokens() const { return runners_.empty() ? 1 : runners_.back()->tokens(); }

std::size_t Model::buffer_bytes() const {
  std::size_t bytes = 0;
  for (const auto& runner : runners_) bytes += runner->buffer_bytes();
  return bytes;
}

KvCache Model::take_place() {
  if (places_taken_.fetch_add(1) >= options_.sequences) {
    places_taken_.fetch_sub(1);
    throw Error(code::kBusy,
                "All sequences of the model are in use. Close one, or open the model with more.",
                {{"sequences", static_cast<double>(options_.sequences)}});
  }
  try {
    return {options_.shape.layers, options_.shape.kv_heads, options_.shape.head_length,
            options_.context_tokens};
  } catch (...) {
    places_taken_.fetch_sub(1);
    throw;
  }
}

}  // namespace mobillm::qnn
