// A step of several sequences as the library takes it.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mobillm/token.hpp"

namespace mobillm::llamacpp {

// The arrays of a `llama_batch`, kept so that a step allocates nothing.
class StepBatch {
 public:
  // What one sequence has in a step.
  struct Part {
    llama_seq_id id = 0;
    llama_pos position = 0;  // of the first token
    std::span<const Token> tokens;
    std::size_t outputs = 0;  // rows wanted, after each of the last so many tokens
  };

  void clear();
  void add(const Part& part);

  // Points into the arrays: good until the next change.
  llama_batch get();

  // Number in the batch of the first token of a part that wanted a row.
  std::int32_t first_output(std::size_t part) const { return first_outputs_[part]; }

 private:
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<std::int32_t> id_counts_;
  std::vector<llama_seq_id> token_ids_;
  std::vector<llama_seq_id*> ids_;
  std::vector<std::int8_t> outputs_;
  std::vector<std::int32_t> first_outputs_;  // by part
};

}  // namespace mobillm::llamacpp
