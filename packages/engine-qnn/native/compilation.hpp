// Compiles a Llama model into a context binary.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "context_binary.hpp"
#include "llama_graph.hpp"
#include "model.hpp"

namespace mobillm::qnn {

struct CompileOptions {
  LlamaShape shape;
  float rms_epsilon = 0;
  std::uint32_t context_tokens = 0;
  std::vector<GraphPlan> graphs;
  // Qualcomm's number of the chip; what the library takes without one.
  std::optional<std::uint32_t> soc_model;
  // One copy in the binary of weights that several graphs use.
  bool share_weights = false;
  std::string output;
  // Told what is being done, and the share of the whole, never falling.
  std::function<void(const char* step, float share)> on_progress;
};

struct CompiledGraph {
  std::string name;
  std::size_t nodes = 0;
  double finalize_seconds = 0;
};

struct Compiled {
  std::uint64_t bytes = 0;
  std::string sha256;
  MadeWith made_with;
  std::vector<CompiledGraph> graphs;
};

// Throws InvalidArgument for options that contradict each other.
void check_compile_options(const CompileOptions& options);

// Builds the graphs, has the library compile them, and writes the binary. Throws MODEL_UNSUPPORTED
// where the back end refuses a part, OUT_OF_MEMORY, IO_FAILED, UNSUPPORTED for an unknown chip, and
// ABORTED soon after `abort` is set: what the library does at a stretch is not cut short.
Compiled compile_llama(const Libraries& libraries, const CompileOptions& options,
                       WeightSource& weights, const AbortFlag& abort);

}  // namespace mobillm::qnn
