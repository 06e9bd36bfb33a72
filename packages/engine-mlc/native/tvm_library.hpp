// The TVM runtime of this process: two libraries, opened once and never closed.
#pragma once

#include <string>

#include "tvm_ffi_abi.hpp"

namespace mobillm::mlc {

// Where the libraries lie.
struct LibraryPaths {
  std::string ffi;
  std::string runtime;

  bool operator==(const LibraryPaths&) const = default;
};

// Entry points of tvm-ffi.
struct TvmFunctions {
  abi::ErrorMoveFromRaised error_move_from_raised = nullptr;
  abi::ObjectIncRef object_inc_ref = nullptr;
  abi::ObjectDecRef object_dec_ref = nullptr;
  abi::FunctionGetGlobal function_get_global = nullptr;
  abi::FunctionCall function_call = nullptr;
};

// What the runtime says of itself.
struct LibraryFacts {
  abi::Version ffi_version{};
  std::string ffi_build;      // build id of the file; empty where it has none
  std::string runtime_build;  // build id of the file; empty where it has none
};

// Opens the libraries, once a process; later calls wait for that, and throw UNSUPPORTED when they
// name other files, because a process can hold one TVM runtime alone. Throws ADDON_NOT_FOUND,
// ADDON_INCOMPATIBLE; a failed call may be repeated with other files.
const LibraryFacts& initialize_library(const LibraryPaths& paths);

// The opened library's functions. Not to be called before `initialize_library` has returned.
const TvmFunctions& tvm();

}  // namespace mobillm::mlc
