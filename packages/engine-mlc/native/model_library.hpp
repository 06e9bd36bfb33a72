// A compiled model's executable code: a shared library with a Relax virtual machine in it.
#pragma once

#include <cstdint>
#include <string>

#include "tvm_value.hpp"

namespace mobillm::mlc {

// Which file to run, and what is known of it. Its code runs with all rights of this process, so it
// is trusted as far as its checksum, and whoever gave that, is.
struct LibraryFile {
  std::string path;
  std::string sha256;  // lower-case hexadecimal; empty where none is known
};

// The virtual machine of one model. All of it is for the model's thread.
class ModelLibrary {
 public:
  // Checks the file and loads it. Throws FILE_NOT_FOUND, INTEGRITY_FAILED, MODEL_INVALID, and
  // MODEL_UNSUPPORTED for one that was made for another processor or lacks what a model needs.
  ModelLibrary(const LibraryFile& file, abi::Device device);

  // What the compiler noted: JSON, not checked.
  const std::string& metadata() const { return metadata_; }

  // Whether the model takes batches of one, because it has no functions without a batch.
  bool batched() const { return batched_; }

  Function embed;
  Function prefill;       // or `batch_prefill`
  Function decode;        // or `batch_decode`
  Function create_cache;  // none where the model has another kind of state

 private:
  Function find(const char* name) const;

  Value executable_;
  Value machine_;
  Function get_function_;
  std::string metadata_;
  bool batched_ = false;
};

}  // namespace mobillm::mlc
