// A change of a model's weights that sequences can have applied: a LoRA adapter. Plain C++: no
// Node-API here.
#pragma once

#include <memory>

namespace mobillm {

class SequenceModel;

// Loaded for one model. Implemented by each engine that has any.
class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  // Any thread.
  virtual SequenceModel& model() = 0;

  // Model's thread: frees it at once, and may be called twice. A step of a sequence that still has
  // it applied throws CLOSED from then on.
  virtual void free() = 0;
};

// An adapter as one of those that a sequence has applied.
struct AdapterUse {
  std::shared_ptr<Adapter> adapter;
  float scale = 1;  // finite, and not 0

  bool operator==(const AdapterUse&) const = default;
};

}  // namespace mobillm
