// The memory that a model and its context will take, found before anything is allocated.
#pragma once

#include <cstdint>
#include <string>

#include "checked_file.hpp"
#include "context_options.hpp"
#include "mobillm/abort_flag.hpp"

namespace mobillm::llamacpp {

// A model file and what its header says.
struct ModelFile {
  CheckedFile file;
  std::string architecture;
  std::uint32_t vocabulary_size = 0;
};

struct MemoryEstimate {
  std::uint64_t weights = 0;
  std::uint64_t kv_cache = 0;
  std::uint64_t compute = 0;
  std::uint64_t output = 0;
  // Whether the library itself simulated all of it; otherwise a part comes from a formula.
  bool exact = false;

  std::uint64_t total() const { return weights + kv_cache + compute + output; }
};

// Has the library go through loading a model and making its context without allocating either.
// The vocabulary, which would take most of the time, is not read. Throws as `open` does, but
// OUT_OF_MEMORY; ABORTED when the flag is set.
MemoryEstimate estimate_memory(const ModelFile& file, const ContextOptions& options,
                               const AbortFlag& abort);

}  // namespace mobillm::llamacpp
