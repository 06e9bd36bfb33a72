// What guesses the tokens that may come next. Plain C++: no Node-API here.
#pragma once

#include <cstddef>
#include <span>

#include "mobillm/token.hpp"

namespace mobillm {

// Guesses for one generation. Used on the model's thread alone.
class Drafter {
 public:
  Drafter() = default;
  Drafter(const Drafter&) = delete;
  Drafter& operator=(const Drafter&) = delete;
  virtual ~Drafter() = default;

  // Whether a guess costs next to nothing beside a step.
  virtual bool is_cheap() const = 0;
  // At most `most` tokens that may follow; none where it has no idea. `tokens` are all so far, and
  // begin as they did in the call before. The guess is good until the next call.
  virtual std::span<const Token> guess(std::span<const Token> tokens, std::size_t most) = 0;
  // Milliseconds of the latest guess that the next ones will not take: it had to read a text first.
  virtual double reading_ms() const { return 0; }
};

}  // namespace mobillm
