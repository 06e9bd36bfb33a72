// The whole native engine on a small model: compiled, opened, run, compared with a forward pass in
// plain C++, and handed over.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "check.hpp"
#include "codes.hpp"
#include "compilation.hpp"
#include "library_folder.hpp"
#include "mobillm/float16.hpp"
#include "model.hpp"
#include "model_sequence.hpp"
#include "tiny_llama.hpp"

namespace mobillm::qnn::test {

namespace {

constexpr std::uint32_t kContext = 48;
constexpr std::uint32_t kChunk = 8;
// Largest difference of two logits, in standard deviations of a row, that half precision is given.
// Measured: 0.028 against the emulator, and 0.016 where the reference itself is rounded to half
// precision after each operation.
constexpr float kTolerance = 0.05f;

const AbortFlag kNever;

struct Compilation {
  CompileOptions options;
  Compiled compiled;
};

// `soc` 57 is SM8650, whose Hexagon is a V75.
Compilation compile(const Libraries& libraries, const std::string& file, bool tied, bool share,
                    std::uint32_t soc = 57) {
  Compilation result;
  result.options.shape = tiny_shape();
  result.options.rms_epsilon = kEpsilon;
  result.options.context_tokens = kContext;
  result.options.graphs = {{"prefill", kChunk}, {"decode", 1}};
  result.options.soc_model = soc;
  result.options.share_weights = share;
  result.options.output = (std::filesystem::temp_directory_path() / file).string();
  TinyWeights weights(result.options.shape, tied);
  float last = -1;
  result.options.on_progress = [&](const char* step, float progress) {
    CHECK(std::strlen(step) > 0);
    CHECK(progress >= last && progress <= 1);
    last = progress;
  };
  result.compiled = compile_llama(libraries, result.options, weights, kNever);
  CHECK_EQUAL(last, 1.0f);
  return result;
}

OpenOptions open_options(const Compilation& compilation) {
  OpenOptions options;
  options.binary = {compilation.options.output, compilation.compiled.bytes,
                    compilation.compiled.sha256};
  options.made_with = compilation.compiled.made_with;
  options.shape = compilation.options.shape;
  options.rope_base = kRopeBase;
  options.compiled_context_tokens = kContext;
  options.graphs = compilation.options.graphs;
  options.context_tokens = kContext;
  options.sequences = 2;
  return options;
}

std::shared_ptr<Model> open(const Libraries& libraries, const Compilation& compilation) {
  auto model = std::make_shared<Model>(libraries, open_options(compilation));
  model->load();
  return model;
}

std::vector<float> logits_of(ModelSequence& sequence) {
  const float* row = sequence.model().logits(0, 0);
  return {row, row + sequence.model().vocabulary_size()};
}

// Prefills in steps as a generation does; returns the logits after the last token.
std::vector<float> prefill(ModelSequence& sequence, std::span<const Token> tokens) {
  const std::size_t step = sequence.model().step_tokens();
  while (!tokens.empty()) {
    const std::size_t count = std::min(step, tokens.size());
    const bool last = count == tokens.size();
    CHECK(sequence.append(tokens.first(count), last, kNever) == StepStatus::kDone);
    tokens = tokens.subspan(count);
  }
  return logits_of(sequence);
}

std::size_t best(const std::vector<float>& row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

float spread(const std::vector<float>& row) {
  float sum = 0;
  float squares = 0;
  for (const float value : row) sum += value;
  const float mean = sum / static_cast<float>(row.size());
  for (const float value : row) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<float>(row.size()));
}

float largest_difference(const std::vector<float>& one, const std::vector<float>& other) {
  CHECK_EQUAL(one.size(), other.size());
  float most = 0;
  for (std::size_t i = 0; i < one.size(); ++i) most = std::max(most, std::abs(one[i] - other[i]));
  return most;
}

// Same values within half precision, and the same best token unless the reference itself cannot
// tell the first two apart.
void check_close(const std::vector<float>& found, const std::vector<float>& wanted) {
  const float allowed = kTolerance * spread(wanted);
  const float difference = largest_difference(found, wanted);
  if (difference > allowed) std::cerr << difference << " of " << spread(wanted) << '\n';
  CHECK(difference <= allowed);
  std::vector<float> sorted = wanted;
  std::nth_element(sorted.begin(), sorted.begin() + 1, sorted.end(), std::greater());
  if (sorted[0] - sorted[1] > 2 * allowed) CHECK_EQUAL(best(found), best(wanted));
}

std::vector<std::byte> export_all(ModelSequence& sequence, std::int32_t from) {
  const KvShape shape = sequence.kv_shape();
  const auto count = static_cast<std::size_t>(sequence.token_count() - from);
  std::vector<std::byte> data(shape.bytes(count));
  sequence.export_kv(from, {data, count}, kNever);
  return data;
}

KvView view_of(const std::vector<std::byte>& data, const KvShape& shape, std::size_t tokens,
               KvDtype dtype = KvDtype::kF16, KvPairing pairing = KvPairing::kNeox) {
  KvView view{dtype, pairing, {}, tokens};
  const std::byte* at = data.data();
  for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
    const std::byte* values = at + shape.tensor_bytes(shape.key_length, tokens, dtype);
    view.layers.push_back({at, values});
    at = values + shape.tensor_bytes(shape.value_length, tokens, dtype);
  }
  return view;
}

void every_token_is_that_of_the_reference(const Libraries& libraries, bool tied,
                                          std::uint32_t soc) {
  const Compilation compilation = compile(libraries, "mobillm-qnn-reference.bin", tied, false, soc);
  CHECK_EQUAL(compilation.compiled.made_with.target.soc_model, soc);
  const auto model = open(libraries, compilation);
  TinyWeights weights(tiny_shape(), tied);
  for (const std::uint32_t seed : {1u, 2u, 3u}) {
    // Two whole chunks, a padded one, then token by token to the end of the context.
    const auto tokens = some_tokens(kContext, seed, tiny_shape().vocabulary_size);
    const auto wanted = reference_logits(tiny_shape(), weights, tokens);
    ModelSequence sequence(model);
    const std::size_t prompt = 2 * kChunk + 3;
    check_close(prefill(sequence, std::span(tokens).first(prompt)), wanted[prompt - 1]);
    for (std::size_t i = prompt; i < tokens.size(); ++i) {
      CHECK(sequence.append({&tokens[i], 1}, true, kNever) == StepStatus::kDone);
      check_close(logits_of(sequence), wanted[i]);
    }
    CHECK_EQUAL(sequence.token_count(), static_cast<std::int32_t>(kContext));
    CHECK(sequence.append({tokens.data(), 1}, true, kNever) == StepStatus::kNoRoom);
    CHECK_EQUAL(sequence.token_count(), static_cast<std::int32_t>(kContext));
    sequence.release();
  }
}

// Where a padded chunk would reach beyond the context, tokens go one by one.
void a_prompt_may_fill_the_context(const Libraries& libraries, const Compilation& compilation) {
  const auto model = open(libraries, compilation);
  TinyWeights weights(tiny_shape());
  const auto tokens = some_tokens(kContext, 4, tiny_shape().vocabulary_size);
  const auto wanted = reference_logits(tiny_shape(), weights, tokens);
  ModelSequence sequence(model);
  prefill(sequence, std::span(tokens).first(kContext - 3));
  check_close(prefill(sequence, std::span(tokens).last(3)), wanted.back());
  CHECK_EQUAL(sequence.token_count(), static_cast<std::int32_t>(kContext));
  CHECK(sequence.tokens() == tokens);
}

void two_sequences_do_not_disturb_each_other(const std::shared_ptr<Model>& model) {
  const auto first_tokens = some_tokens(12, 5, tiny_shape().vocabulary_size);
  const auto second_tokens = some_tokens(20, 6, tiny_shape().vocabulary_size);
  std::vector<std::vector<float>> alone;
  {
    ModelSequence one(model);
    prefill(one, std::span(first_tokens).first(9));
    for (std::size_t i = 9; i < first_tokens.size(); ++i) {
      one.append({&first_tokens[i], 1}, true, kNever);
      alone.push_back(logits_of(one));
    }
    one.release();
  }
  ModelSequence one(model);
  ModelSequence two(model);
  CHECK_THROWS(Error, ModelSequence three(model), CHECK_EQUAL(error.code(), code::kBusy));
  prefill(one, std::span(first_tokens).first(9));
  prefill(two, second_tokens);
  for (std::size_t i = 9; i < first_tokens.size(); ++i) {
    one.append({&first_tokens[i], 1}, true, kNever);
    CHECK(logits_of(one) == alone[i - 9]);
    two.truncate(19);
    two.append({&second_tokens[19], 1}, true, kNever);
  }
  one.release();
  two.release();
}

void a_cut_cache_goes_on_as_if_nothing_had_been_behind(const std::shared_ptr<Model>& model) {
  const auto tokens = some_tokens(24, 7, tiny_shape().vocabulary_size);
  const auto others = some_tokens(24, 8, tiny_shape().vocabulary_size);
  ModelSequence sequence(model);
  prefill(sequence, std::span(tokens).first(16));
  const auto wanted = prefill(sequence, std::span(tokens).subspan(16, 1));
  // A longer way with other tokens, cut back to the same sixteen.
  CHECK_EQUAL(sequence.truncate(16), 16);
  prefill(sequence, std::span(others).first(20));
  CHECK_EQUAL(sequence.truncate(16), 16);
  CHECK(prefill(sequence, std::span(tokens).subspan(16, 1)) == wanted);
  CHECK_EQUAL(sequence.truncate(0), 0);
  prefill(sequence, std::span(tokens).first(16));
  CHECK(prefill(sequence, std::span(tokens).subspan(16, 1)) == wanted);
  sequence.release();
}

void an_aborted_step_leaves_the_cache_as_it_was(const std::shared_ptr<Model>& model) {
  const auto tokens = some_tokens(12, 9, tiny_shape().vocabulary_size);
  ModelSequence sequence(model);
  prefill(sequence, std::span(tokens).first(8));
  AbortFlag abort;
  abort.set();
  CHECK(sequence.append(std::span(tokens).last(4), true, abort) == StepStatus::kAborted);
  CHECK_EQUAL(sequence.token_count(), 8);
  sequence.release();
}

void a_cache_that_is_handed_over_goes_on_the_same(const std::shared_ptr<Model>& model) {
  const auto tokens = some_tokens(15, 10, tiny_shape().vocabulary_size);
  ModelSequence source(model);
  prefill(source, std::span(tokens).first(14));
  const KvShape shape = source.kv_shape();
  CHECK_EQUAL(shape.layers, 2);
  CHECK_EQUAL(shape.kv_heads, 2);
  CHECK_EQUAL(shape.key_length, 16);
  CHECK(shape.rope.pairing == KvPairing::kNeox);
  const std::vector<std::byte> first = export_all(source, 0);
  const std::vector<std::byte> end = export_all(source, 10);
  const auto wanted = prefill(source, std::span(tokens).last(1));

  ModelSequence target(model);
  target.import_kv(view_of(first, shape, 14), std::span(tokens).first(14), kNever);
  CHECK(prefill(target, std::span(tokens).last(1)) == wanted);

  // In two parts, the second in another number format and pairing.
  target.truncate(10);
  KvShape wide = shape;
  wide.dtype = KvDtype::kF32;
  std::vector<std::byte> converted(wide.bytes(4));
  const KvView narrow_view = view_of(end, shape, 4);
  const KvView wide_view = view_of(converted, wide, 4, KvDtype::kF32, KvPairing::kInterleaved);
  const KvRowFormat own{KvDtype::kF16, KvPairing::kNeox};
  const KvRowFormat other{KvDtype::kF32, KvPairing::kInterleaved};
  for (std::size_t layer = 0; layer < 2; ++layer) {
    convert_kv_rows(narrow_view.layers[layer].keys, 32, own,
                    const_cast<std::byte*>(wide_view.layers[layer].keys), 64, other, 8, 16, 16);
    convert_kv_rows(narrow_view.layers[layer].values, 32, own,
                    const_cast<std::byte*>(wide_view.layers[layer].values), 64, other, 8, 16, 0);
  }
  target.import_kv(wide_view, std::span(tokens).subspan(10, 4), kNever);
  CHECK_EQUAL(target.token_count(), 14);
  CHECK(export_all(target, 0) == first);
  CHECK(prefill(target, std::span(tokens).last(1)) == wanted);

  // Imported in place of other rows: what a graph held of them is not used any more.
  target.truncate(0);
  prefill(target, some_tokens(14, 11, tiny_shape().vocabulary_size));
  target.append({tokens.data(), 1}, true, kNever);
  target.truncate(0);
  target.import_kv(view_of(first, shape, 14), std::span(tokens).first(14), kNever);
  CHECK(prefill(target, std::span(tokens).last(1)) == wanted);

  AbortFlag abort;
  abort.set();
  CHECK_THROWS(Error,
               target.import_kv(view_of(first, shape, 14), std::span(tokens).first(14), abort),
               CHECK_EQUAL(error.code(), code::kAborted));
  CHECK_EQUAL(target.token_count(), 15);
  source.release();
  target.release();
}

// The graphs hold rows of the past from call to call.
void a_step_that_was_given_up_leaves_nothing_behind(const std::shared_ptr<Model>& model) {
  const std::uint32_t vocabulary = tiny_shape().vocabulary_size;
  const auto tokens = some_tokens(41, 13, vocabulary);
  const auto others = some_tokens(4, 14, vocabulary);
  const auto run = [&](SequenceId id, bool given_up) {
    KvCache cache = model->take_place();
    const auto step = [&](std::uint32_t past, std::span<const Token> some) {
      CHECK_EQUAL(model->step(id, cache, past, some, true), some.size());
    };
    for (std::uint32_t past = 0; past < 32; past += kChunk) {
      step(past, std::span(tokens).subspan(past, kChunk));
    }
    for (std::uint32_t i = 0; given_up && i < others.size(); ++i) step(32 + i, {&others[i], 1});
    step(32, std::span(tokens).subspan(32, kChunk));
    step(40, {&tokens[40], 1});
    model->return_place();
    return std::vector<float>(model->logits(0, 0), model->logits(0, 0) + vocabulary);
  };
  // Numbers that no sequence gets.
  CHECK(run(~SequenceId{0}, true) == run(~SequenceId{1}, false));
}

// As above, where an import comes in the place of the steps. When the abort comes is chance.
void an_import_takes_the_place_of_aborted_steps(const std::shared_ptr<Model>& model) {
  const std::uint32_t vocabulary = tiny_shape().vocabulary_size;
  const auto tokens = some_tokens(kContext, 15, vocabulary);
  const auto others = some_tokens(6, 16, vocabulary);
  ModelSequence source(model);
  // From here on there is no room for a padded chunk: tokens go one by one.
  constexpr std::size_t kPast = kContext - kChunk + 1;
  prefill(source, std::span(tokens).first(kPast + 6));
  const std::vector<std::byte> end = export_all(source, kPast);
  const auto wanted = prefill(source, std::span(tokens).subspan(kPast + 6, 1));
  source.truncate(kPast);
  for (std::size_t round = 0; round < 40; ++round) {
    AbortFlag abort;
    std::thread aborting([&] {
      for (std::size_t i = 0; i < round * round * 2000; ++i) {
        if (abort.is_set()) return;
      }
      abort.set();
    });
    const StepStatus status = source.append(others, false, abort);
    aborting.join();
    if (status == StepStatus::kDone) source.truncate(kPast);
    CHECK_EQUAL(source.token_count(), static_cast<std::int32_t>(kPast));
    source.import_kv(view_of(end, source.kv_shape(), 6), std::span(tokens).subspan(kPast, 6),
                     kNever);
    CHECK(prefill(source, std::span(tokens).subspan(kPast + 6, 1)) == wanted);
    source.truncate(kPast);
  }
  source.release();
}

// What is masked is multiplied by zero, and infinity times zero is no number.
void values_that_are_no_numbers_stay_in_their_sequence(const std::shared_ptr<Model>& model) {
  const auto tokens = some_tokens(20, 17, tiny_shape().vocabulary_size);
  ModelSequence sound(model);
  const auto wanted = prefill(sound, std::span(tokens).first(5));
  sound.release();

  ModelSequence broken(model);
  const KvShape shape = broken.kv_shape();
  std::vector<std::byte> data(shape.bytes(18));
  // Infinite and no numbers in turn.
  for (std::size_t at = 0; at < data.size(); at += 2) {
    const std::uint16_t value = at % 4 == 0 ? 0x7e00 : 0x7c00;
    std::memcpy(&data[at], &value, 2);
  }
  broken.import_kv(view_of(data, shape, 18), std::span(tokens).first(18), kNever);
  // Both graphs hold them now.
  prefill(broken, std::span(tokens).subspan(18, 2));
  broken.truncate(18);
  prefill(broken, std::span(tokens).subspan(18, 1));
  // In another sequence, and in the same one after it was emptied.
  ModelSequence other(model);
  CHECK(prefill(other, std::span(tokens).first(5)) == wanted);
  other.release();
  broken.truncate(0);
  CHECK(prefill(broken, std::span(tokens).first(5)) == wanted);
  broken.release();
}

void a_binary_runs_as_the_graphs_that_it_was_made_of(const Libraries& libraries) {
  // Both graphs, executed in the context that they were built in and in one loaded from its binary.
  auto built = Context::create(std::make_unique<Device>(libraries.backend, 57), false);
  TinyWeights weights(tiny_shape());
  std::vector<std::unique_ptr<Graph>> graphs;
  for (const std::uint32_t tokens : {kChunk, 1u}) {
    GraphBuilder builder(*built, "tokens" + std::to_string(tokens), kNever);
    add_llama_graph(builder, {tiny_shape(), kEpsilon, tokens, kContext}, weights, kNever,
                    [](std::uint32_t) {});
    graphs.push_back(builder.finalize());
  }
  std::vector<std::byte> binary = built->to_binary();
  const BinaryDescription description = describe_binary(*libraries.system, binary);
  CHECK_EQUAL(description.graphs.size(), std::size_t{2});
  auto loaded = Context::load(std::make_unique<Device>(libraries.backend, std::nullopt), binary);
  binary = {};

  const auto run = [](Graph& graph) {
    std::vector<std::vector<std::byte>> buffers;
    std::vector<std::byte> results;
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const TensorInfo& tensor = graph.inputs()[i];
      buffers.emplace_back(tensor.bytes());
      const auto tokens = some_tokens(tensor.elements(), 12, 300);
      for (std::size_t j = 0; j < tensor.elements(); ++j) {
        if (tensor.data_type == abi::DataType::kInt32) {
          std::memcpy(&buffers.back()[4 * j], &tokens[j], 4);
        } else {
          const std::uint16_t half = f32_to_f16(static_cast<float>(tokens[j]) / 300.0f);
          std::memcpy(&buffers.back()[2 * j], &half, 2);
        }
      }
      graph.bind_input(i, buffers.back());
    }
    for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
      buffers.emplace_back(graph.outputs()[i].bytes());
      graph.bind_output(i, buffers.back());
    }
    graph.execute();
    for (std::size_t i = graph.inputs().size(); i < buffers.size(); ++i) {
      results.insert(results.end(), buffers[i].begin(), buffers[i].end());
    }
    return results;
  };
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    const GraphDescription& found = description.graphs[i];
    CHECK_EQUAL(found.name, graphs[i]->name());
    Graph again(*loaded, loaded->find_graph(found.name), found.name, found.inputs, found.outputs);
    CHECK(run(*graphs[i]) == run(again));
  }
  CHECK_THROWS(Error, loaded->find_graph("no such graph"), CHECK(!error.code().empty()));
}

// The emulator compiles such binaries for phones, and refuses to load them.
void shared_weights_make_a_binary_smaller(const Libraries& libraries) {
  const Compilation apart = compile(libraries, "mobillm-qnn-apart.bin", true, false);
  const Compilation shared = compile(libraries, "mobillm-qnn-shared.bin", true, true);
  CHECK(shared.compiled.bytes < apart.compiled.bytes * 3 / 4);
  Model model(libraries, open_options(shared));
  CHECK_THROWS(Error, model.load(), CHECK_EQUAL(error.code(), code::kUnsupported));
}

void what_is_not_as_the_manifest_says_is_refused(const Libraries& libraries,
                                                 const Compilation& compilation) {
  const auto refused = [&](const char* wanted, auto change) {
    OpenOptions options = open_options(compilation);
    change(options);
    Model model(libraries, options);
    CHECK_THROWS(Error, model.load(), CHECK_EQUAL(error.code(), std::string(wanted)));
  };
  refused(code::kFileNotFound, [](OpenOptions& o) { o.binary.path += ".gone"; });
  refused(code::kIntegrityFailed, [](OpenOptions& o) { o.binary.bytes += 1; });
  refused(code::kIntegrityFailed, [](OpenOptions& o) { o.binary.sha256[0] ^= 1; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.made_with.target.soc_model = 69; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.made_with.target.htp_arch = 73; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.made_with.build_id = "v2.0"; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.graphs[0].name = "another"; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.graphs[0].tokens = 7; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.shape.layers = 3; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.shape.layers = 1; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.shape.head_length = 32; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.shape.vocabulary_size = 299; });
  refused(code::kModelInvalid, [](OpenOptions& o) { o.compiled_context_tokens = 64; });

  const auto wrong = [&](const char* key, auto change) {
    OpenOptions options = open_options(compilation);
    change(options);
    CHECK_THROWS(InvalidArgument, Model(libraries, options), CHECK_EQUAL(error.key(), key));
  };
  wrong("contextTokens", [](OpenOptions& o) { o.context_tokens = kContext + 1; });
  wrong("shape.kvHeads", [](OpenOptions& o) { o.shape.kv_heads = 3; });
  wrong("shape.headLength", [](OpenOptions& o) { o.shape.head_length = 15; });
  wrong("shape.headLength", [](OpenOptions& o) {
    o.shape.heads = 1 << 16;
    o.shape.head_length = 1 << 16;
  });
  wrong("contextTokens", [](OpenOptions& o) {
    o.compiled_context_tokens = 1 << 20;
    o.shape.layers = 512;
    o.shape.head_length = 1 << 11;
  });
  wrong("graphs", [](OpenOptions& o) { o.graphs.pop_back(); });
  wrong("graphs.name", [](OpenOptions& o) { o.graphs[0].name = "decode"; });
  wrong("ropeBase", [](OpenOptions& o) { o.rope_base = 0; });

  Model closing(libraries, open_options(compilation));
  closing.abort_all();
  CHECK_THROWS(Error, closing.load(), CHECK_EQUAL(error.code(), code::kAborted));
}

void a_compilation_ends_when_it_is_aborted(const Libraries& libraries) {
  Compilation none;
  CompileOptions options;
  options.shape = tiny_shape();
  options.rms_epsilon = kEpsilon;
  options.context_tokens = kContext;
  options.graphs = {{"prefill", kChunk}, {"decode", 1}};
  options.output = (std::filesystem::temp_directory_path() / "mobillm-qnn-aborted.bin").string();
  AbortFlag abort;
  options.on_progress = [&](const char*, float share) {
    if (share > 0.1f) abort.set();
  };
  TinyWeights weights(options.shape);
  CHECK_THROWS(Error, compile_llama(libraries, options, weights, abort),
               CHECK_EQUAL(error.code(), code::kAborted));
  CHECK(!std::filesystem::exists(options.output));
  options.on_progress = nullptr;
  options.output = "/there/is/no/such/folder/model.bin";
  CHECK_THROWS(Error, compile_llama(libraries, options, weights, kNever),
               CHECK_EQUAL(error.code(), code::kIoFailed));
  options.soc_model = 12345;
  CHECK_THROWS(Error, compile_llama(libraries, options, weights, kNever),
               CHECK_EQUAL(error.code(), code::kUnsupported));
}

void run() {
  const Libraries libraries = open_libraries();
  every_token_is_that_of_the_reference(libraries, true, 57);
  every_token_is_that_of_the_reference(libraries, false, 30);
  const Compilation compilation = compile(libraries, "mobillm-qnn-tiny.bin", true, false);
  a_prompt_may_fill_the_context(libraries, compilation);
  const auto model = open(libraries, compilation);
  two_sequences_do_not_disturb_each_other(model);
  a_cut_cache_goes_on_as_if_nothing_had_been_behind(model);
  an_aborted_step_leaves_the_cache_as_it_was(model);
  a_cache_that_is_handed_over_goes_on_the_same(model);
  a_step_that_was_given_up_leaves_nothing_behind(model);
  an_import_takes_the_place_of_aborted_steps(model);
  values_that_are_no_numbers_stay_in_their_sequence(model);
  a_binary_runs_as_the_graphs_that_it_was_made_of(libraries);
  shared_weights_make_a_binary_smaller(libraries);
  what_is_not_as_the_manifest_says_is_refused(libraries, compilation);
  a_compilation_ends_when_it_is_aborted(libraries);
}

}  // namespace

}  // namespace mobillm::qnn::test

int main() { mobillm::qnn::test::run(); }
