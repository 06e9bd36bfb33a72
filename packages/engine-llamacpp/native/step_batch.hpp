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

  // Number of an item's last token in the batch.
  std::int32_t last_token(std::size_t item) const { return last_tokens_[item]; }

 private:
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<std::int32_t> id_counts_;
  std::vector<llama_seq_id> item_ids_;
  std::vector<llama_seq_id*> ids_;
  std::vector<std::int8_t> outputs_;
  std::vector<std::int32_t> last_tokens_;
};

}  // namespace mobillm::llamacpp
