// A step of several sequences as the library takes it.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mobillm/sequence.hpp"

namespace mobillm::llamacpp {

// The arrays of a `llama_batch`, kept so that a step allocates nothing.
class StepBatch {
 public:
  // Fills them with items of this library's sequences, behind what each of those holds.
  void assign(std::span<const StepItem> items);

  // Points into the arrays: good until the next `assign`.
  llama_batch get();

  // Number in the batch of the first token of an item that wanted logits.
  std::int32_t first_output(std::size_t item) const { return first_outputs_[item]; }

 private:
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<std::int32_t> id_counts_;
  std::vector<llama_seq_id> item_ids_;
  std::vector<llama_seq_id*> ids_;
  std::vector<std::int8_t> outputs_;
  std::vector<std::int32_t> first_outputs_;
};

}  // namespace mobillm::llamacpp
