// A smaller model that guesses what a larger one will say.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "context_options.hpp"
#include "memory_estimate.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/c_ptr.hpp"
#include "mobillm/speculation/drafter.hpp"
#include "mobillm/token.hpp"
#include "offload.hpp"
#include "thread_pool.hpp"
#include "vocabulary.hpp"

namespace mobillm::llamacpp {

// What a context of a draft model is made with, given that of its large model.
ContextOptions draft_context(const ContextOptions& target);

// Where a draft model lies, given where its large model does: on the CPU, or whole on that one's
// first device.
Offload draft_offload(const Offload& target);

// Weights and one cache, which follows whatever text is to be guessed on: only one generation at a
// time is guessed ahead, so its large model's sequences share it, and what two texts have in common
// is kept. Used on the large model's thread alone.
class DraftModel {
 public:
  // Loads it, onto the CPU or whole onto the first device of its large model. Throws as the large
  // model does. `threads` and `closing` are the large model's and outlive it.
  DraftModel(const ModelFile& file, const ContextOptions& target, const Offload& target_offload,
             ThreadPool& threads, AbortFlagPtr closing);
  ~DraftModel();
  DraftModel(const DraftModel&) = delete;
  DraftModel& operator=(const DraftModel&) = delete;

  // Has it guess tokens of the large model in `path`. Throws MODEL_UNSUPPORTED where its own are
  // others.
  void adopt_vocabulary(const Vocabulary& vocabulary, const std::string& path);

  // Guesses for one generation, which `abort` ends.
  std::unique_ptr<Drafter> make_drafter(const AbortFlag& abort);

  const llama_context* context() const { return context_.get(); }

 private:
  class TextDrafter;

  void check_memory(const ModelFile& file) const;
  void load(const ModelFile& file);
  void make_context();
  // Leaves in the cache what it has of these tokens, but for the last one: its logits are wanted.
  void cut_to(std::span<const Token> tokens);
  // Adds tokens, with logits after the last one; false where somebody wants it to end or there is
  // no room. The cache then has them all or none.
  bool compute(std::span<const Token> tokens);
  bool stopped() const;
  // The most probable token by the latest step.
  Token best() const;

  const std::string path_;
  const ContextOptions options_;
  Offload offload_;
  ThreadPool& threads_;
  const AbortFlagPtr closing_;
  const AbortFlag* polled_ = nullptr;  // of the generation that is guessed for

  CPtr<llama_model, llama_model_free> model_;
  std::optional<Vocabulary> vocabulary_;
  CPtr<llama_context, llama_free> context_;
  std::vector<Token> cached_;
  Token known_tokens_ = 0;  // to both models
};

}  // namespace mobillm::llamacpp
