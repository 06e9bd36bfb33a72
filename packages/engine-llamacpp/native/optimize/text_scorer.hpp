// How well a model foresees a text, and how fast it reads and writes one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "model.hpp"
#include "optimize/weight_table.hpp"

namespace mobillm::llamacpp {

// What is done with a model.
enum class ScorerUse {
  kText,     // texts are scored, and weights may be substituted
  kWeights,  // the same; the model's matrices are watched, and it lies in memory as in the file
  kSpeed,    // it reads and writes as when it answers
};

// How scores of a text are compared with those of the same text before.
enum class Reference {
  kNone,
  kKeep,     // keep what the model says now, for later
  kCompare,  // with what was kept
};

struct TextScore {
  // Natural logarithms of the probabilities of the tokens that were scored.
  std::vector<float> log_probs;
  // For kCompare: divergence of each position's distribution from the kept one in nats,
  // Σ kept × ln(kept / now).
  std::vector<float> divergences;
  // For kCompare: positions at which the likeliest token is the same.
  std::uint32_t same_best = 0;
};

struct StepTimes {
  double cpu_seconds = 0;  // of all threads of the process
  double wall_seconds = 0;
};

struct SpeedMeasurement {
  StepTimes prefill;
  StepTimes decode;
};

// A model of its own, on its own thread. All but the constructor, `worker` and `abort_all` is for
// that thread. Jobs throw ABORTED after `abort_all`.
class TextScorer {
 public:
  TextScorer(OpenOptions options, ScorerUse use);
  TextScorer(const TextScorer&) = delete;
  TextScorer& operator=(const TextScorer&) = delete;
  ~TextScorer();

  SerialWorker& worker() { return model_.worker(); }
  void abort_all() { model_.abort_all(); }

  // As Model::load and ::free; the rows of logits are looked for room for, too.
  void load();
  void free();

  const Model& model() const { return model_; }

  std::vector<Token> encode(const std::string& text);

  // Scores the tokens from `first` (at least 1) on, each by all before it; at most a context of
  // them. `place` tells texts that are kept from each other. With `learn`, the matrices are learned
  // from it. Throws UNSUPPORTED for a comparison with nothing, OUT_OF_MEMORY for what is kept.
  TextScore score(std::span<const Token> tokens, std::size_t first, Reference reference,
                  std::uint32_t place, bool learn);

  // For kWeights only.
  WeightTable& weights() { return weights_; }
  WeightError substitute(const std::string& name, ggml_type type, bool weighted);

  // Reads a prompt and then writes so many tokens, which are taken from the prompt: how long that
  // takes does not depend on which ones they are.
  SpeedMeasurement measure(std::span<const Token> prompt, std::size_t written);

 private:
  using KeptRow = std::vector<ggml_fp16_t>;

  static OpenOptions adapt(OpenOptions options, ScorerUse use, WeightTable& weights);
  void require_memory(std::uint64_t bytes) const;
  // Computes tokens at a position; rows are wanted after the last `outputs` of them.
  void step(std::span<const Token> tokens, std::size_t position, std::size_t outputs);
  void judge_row(const float* logits, Token next, Reference reference, std::vector<KeptRow>& kept,
                 std::size_t row, TextScore& score);

  std::uint64_t loaded_bytes_;  // of the file and the rows of logits of a step
  // Before the model, whose context knows it.
  WeightTable weights_;
  Model model_;
  StepBatch batch_;
  std::map<std::uint32_t, std::vector<KeptRow>> kept_;
  std::vector<float> row_;
};

}  // namespace mobillm::llamacpp
