// llama.cpp as a whole: made ready once a process, and what it says of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mobillm::llamacpp {

// Something that the library can compute on.
struct DeviceInfo {
  std::string id;    // lower case: `cpu`, `vulkan0`
  std::string kind;  // `cpu`, `gpu`, `accelerator`
  std::string name;
};

// Makes the library ready: its log is taken over and its back ends are loaded. `backend_folder` is
// where back ends that were built as files of their own lie; empty where they are linked in. Does
// its work once a process, later calls wait for it; throws ADDON_INCOMPATIBLE-like NATIVE_FAILURE
// when no CPU back end can be loaded.
void initialize_library(const std::string& backend_folder);

// `0.5.0`.
std::string library_version();

// Commit of the source that it was built from; empty where that is not known.
std::string library_build();

// Version and the instruction sets that the CPU back end uses: `llama.cpp 0.5.0 (CPU: AVX2, FMA)`.
std::string library_description();

std::vector<DeviceInfo> list_devices();

// Whether the library knows an architecture by that GGUF name.
bool knows_architecture(const std::string& name);

}  // namespace mobillm::llamacpp
