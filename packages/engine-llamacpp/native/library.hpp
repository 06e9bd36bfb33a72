// llama.cpp as a whole: made ready once a process, and what it says of itself.
#pragma once

#include <cstdint>
#include <string>

namespace mobillm::llamacpp {

// Makes the library ready: its log is taken over and its back ends are loaded. `backend_folder` is
// where back ends that were built as files of their own lie; empty where they are linked in. Does
// its work once a process, later calls wait for it; throws ADDON_INCOMPATIBLE-like NATIVE_FAILURE
// when no CPU back end can be loaded.
void initialize_library(const std::string& backend_folder);

// `0.5.0`.
std::string library_version();

// Commit of the source that it was built from; empty where that is not known.
std::string library_build();

// Version, the instruction sets that the CPU back end uses, and other back ends that are there:
// `llama.cpp 0.5.0 (CPU: AVX2, FMA; CUDA)`.
std::string library_description();

// Whether the library has a back end of that name, as CMake knows it: `cuda`, `hexagon`.
bool has_backend(const std::string& name);

struct BackendLoad {
  enum class Outcome { kLoaded, kMissing, kRefused };
  std::string path;  // file that was looked for
  Outcome outcome = Outcome::kMissing;
  std::string reason;  // for `kRefused`
};

// Loads a back end from the file of its own in a folder. For the rest of the process.
BackendLoad load_backend(const std::string& name, const std::string& folder);

// Whether the library knows an architecture by that GGUF name.
bool knows_architecture(const std::string& name);

}  // namespace mobillm::llamacpp
