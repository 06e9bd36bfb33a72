// A loaded model's weight matrices: which there are, how much their columns matter for a text, and
// other numbers in their place.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "optimize/requantize.hpp"

namespace mobillm::llamacpp {

// What is known of a matrix.
struct WeightFacts {
  std::string name;
  WeightRows rows;  // as in the file
  // Whether tokens look rows up in it, and whether a token's vector is multiplied by it: an
  // embedding that serves as the output does both.
  bool looked_up = false;
  bool multiplied = false;
};

// Learns by watching steps; the weights must lie in memory of the process, not laid out anew. Not
// for several threads at once. The model outlives it.
class WeightTable {
 public:
  // For `llama_context_params::cb_eval`, with a WeightTable as the data.
  static bool observe(ggml_tensor* node, bool asked, void* table);

  // Whether the steps from now on are learned from.
  void learn(bool on) { learning_ = on; }

  // In the order of their names.
  std::vector<WeightFacts> facts() const;

  // How much an error in each column of a matrix matters: the mean square of what is multiplied
  // with it. Empty where that is not known: experts, each of which sees other tokens, and matrices
  // that only rows are looked up in. Throws InvalidArgument for an unknown name.
  std::vector<float> importance(const std::string& name) const;

  // Has the model compute with a matrix in another format, and says how far that is from the
  // file's. Throws InvalidArgument for an unknown name or a format that does not fit, ABORTED,
  // OUT_OF_MEMORY.
  WeightError substitute(const std::string& name, ggml_type type, bool weighted, int threads,
                         const std::function<bool()>& stopped);

  // Puts what the file has back in its place. Throws InvalidArgument.
  void restore(const std::string& name);
  void restore_all() noexcept;

 private:
  struct alignas(64) Block {
    std::array<std::byte, 64> bytes;
  };
  struct Weight {
    std::vector<ggml_tensor*> tensors;  // one matrix can be two of the library's
    WeightRows rows;
    void* data = nullptr;  // of the file
    bool looked_up = false;
    bool multiplied = false;
    bool routed = false;          // to experts
    std::vector<double> squares;  // sums by column
    std::uint64_t counted = 0;
    std::vector<Block> substitute;
  };

  bool watch(ggml_tensor* node, bool asked);
  void meet(ggml_tensor* weight, ggml_op use);
  void count(Weight& weight, const ggml_tensor& input);
  Weight& weight_named(const std::string& name);
  const Weight& weight_named(const std::string& name) const;
  static void point(const Weight& weight, ggml_type type, void* data);

  std::map<std::string, Weight> weights_;
  bool learning_ = false;
};

}  // namespace mobillm::llamacpp
