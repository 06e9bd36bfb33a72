// What a step costs with attention by blocks (flash attention) and with a matrix of scores, for
// steps of some sizes behind caches of some depths. Knows llama.cpp alone.
//
//   attention_cost <model.gguf> <context tokens> <threads> <rounds> <depth,…> <step,…>
//
// Prints a row of JSON for each pair of a depth and a step: CPU milliseconds of one step, lower
// quartiles of rounds in which both kinds take turns.

#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "reference_program.hpp"

namespace {

constexpr std::uint32_t kBatchTokens = 512;

std::vector<int> numbers(const char* text) {
  std::vector<int> values;
  std::istringstream list(text);
  for (std::string value; std::getline(list, value, ',');) values.push_back(std::stoi(value));
  return values;
}

// A context of one kind of attention that can be filled to a depth, and stepped behind it.
class Subject {
 public:
  Subject(llama_model* model, llama_flash_attn_type kind, int context_tokens, int threads)
      : vocabulary_(llama_vocab_n_tokens(llama_model_get_vocab(model))) {
    context_.reset(make_context(model, static_cast<std::uint32_t>(context_tokens), kBatchTokens,
                                threads, kind));
  }

  void fill(int depth) {
    while (depth_ < depth) {
      const int tokens = std::min(depth - depth_, static_cast<int>(kBatchTokens));
      decode(tokens);
      depth_ += tokens;
    }
  }

  // CPU milliseconds of a step, which is taken out of the cache again.
  double step(int tokens) {
    const double start = cpu_ms();
    decode(tokens);
    const double took = cpu_ms() - start;
    llama_memory_seq_rm(llama_get_memory(context_.get()), 0, depth_, -1);
    return took;
  }

 private:
  void decode(int tokens) {
    std::vector<llama_token> row(static_cast<std::size_t>(tokens));
    for (int i = 0; i < tokens; ++i) {
      row[static_cast<std::size_t>(i)] = static_cast<llama_token>(
          (static_cast<std::int64_t>(depth_) + i + 1) * 7919 % vocabulary_);
    }
    if (llama_decode(context_.get(), llama_batch_get_one(row.data(), tokens)) != 0) {
      fail("llama_decode failed");
    }
  }

  struct Free {
    void operator()(llama_context* context) const { llama_free(context); }
  };
  int vocabulary_;
  int depth_ = 0;
  std::unique_ptr<llama_context, Free> context_;
};

double lower_quartile(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 4];
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) {
    fail(
        "usage: attention_cost <model.gguf> <context tokens> <threads> <rounds> <depth,…> "
        "<step,…>");
  }
  const int context_tokens = std::atoi(arguments[2]);
  const int threads = std::atoi(arguments[3]);
  const int rounds = std::max(1, std::atoi(arguments[4]));
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all();
  llama_model* model = llama_model_load_from_file(arguments[1], llama_model_default_params());
  if (model == nullptr) fail("the model could not be loaded");
  {
    Subject blocks(model, LLAMA_FLASH_ATTN_TYPE_ENABLED, context_tokens, threads);
    Subject matrix(model, LLAMA_FLASH_ATTN_TYPE_DISABLED, context_tokens, threads);
    for (const int depth : numbers(arguments[5])) {
      blocks.fill(depth);
      matrix.fill(depth);
      for (const int step : numbers(arguments[6])) {
        std::vector<double> with_blocks;
        std::vector<double> with_matrix;
        for (int round = 0; round < rounds; ++round) {
          with_blocks.push_back(blocks.step(step));
          with_matrix.push_back(matrix.step(step));
        }
        const double by_blocks = lower_quartile(with_blocks);
        const double by_matrix = lower_quartile(with_matrix);
        std::printf(
            "{\"depth\":%d,\"step\":%d,\"blocksMs\":%.2f,\"matrixMs\":%.2f,"
            "\"ratio\":%.3f}\n",
            depth, step, by_blocks, by_matrix, by_matrix / by_blocks);
        std::fflush(stdout);
      }
    }
  }
  llama_model_free(model);
}
