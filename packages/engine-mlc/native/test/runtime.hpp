// Finds the TVM runtime for tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>

#include "tvm_library.hpp"

namespace mobillm::mlc {

inline std::string find_in_library_path(const std::string& name) {
  const char* folders = std::getenv("TVM_LIBRARY_PATH");
  std::istringstream list(folders == nullptr ? "" : folders);
  for (std::string folder; std::getline(list, folder, ':');) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return path.string();
  }
  std::cerr << "TVM_LIBRARY_PATH names no folder with " << name
            << ": run scripts/fetch-runtime.mjs, which prints them\n";
  std::exit(1);
}

inline LibraryPaths runtime_paths() {
  return {.ffi = find_in_library_path("libtvm_ffi.so"),
          .runtime = find_in_library_path("libtvm_runtime.so")};
}

}  // namespace mobillm::mlc
