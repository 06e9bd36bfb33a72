// Loads the very file whose header was checked before.
#pragma once

#include <llama.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "mobillm/c_ptr.hpp"

namespace mobillm::llamacpp {

// What tells one state of a file from another.
struct FileStamp {
  std::uint64_t bytes = 0;
  double modified_at = 0;  // seconds of the file system's own clock

  bool operator==(const FileStamp&) const = default;
};

// Throws FILE_NOT_FOUND unless it is a regular file.
FileStamp stamp_of(const std::string& path);

// A checked model file.
struct CheckedFile {
  std::string path;
  FileStamp stamp;     // when its header was checked
  bool split = false;  // whether it is the first of several parts, which the library finds by name
};

inline void close_file(std::FILE* file) { std::fclose(file); }
using OpenFile = CPtr<std::FILE, close_file>;

// Opens a file that was checked, for reading. Throws FILE_NOT_FOUND, and INTEGRITY_FAILED when the
// path now names another file than the checked one.
OpenFile open_checked(const CheckedFile& file);

// Like `llama_model_load_from_file`, but throws INTEGRITY_FAILED when the path now names another
// file than the checked one: the library meets an unchecked header with an assertion, which ends
// the process, and replacing a file while somebody opens it is what every download does.
llama_model* load_checked(const CheckedFile& file, const llama_model_params& params);

// The same for an adapter of a model; null where the library refuses it.
llama_adapter_lora* load_checked_adapter(const CheckedFile& file, llama_model* model);

}  // namespace mobillm::llamacpp
