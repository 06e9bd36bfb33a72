// A model file written anew with some of its tensors in other number formats.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checked_file.hpp"
#include "mobillm/abort_flag.hpp"
#include "optimize/requantize.hpp"

namespace mobillm::llamacpp {

// A tensor that gets another format.
struct TensorPlan {
  std::string name;
  ggml_type type = GGML_TYPE_F32;
  std::vector<float> importance;  // of its columns; empty where all matter alike
};

struct RequantizeOptions {
  CheckedFile source;
  std::string path;                 // of the file until it is committed; there must be none yet
  std::vector<TensorPlan> tensors;  // all others are copied as they are
  std::uint32_t file_type = 0;      // `general.file_type`: what the new file's weights mostly are
  int threads = 1;
};

// Writes, then renames. A file that was not committed goes with this object; the source is only
// read. One thread at a time.
class RequantizedFile {
 public:
  explicit RequantizedFile(RequantizeOptions options);
  RequantizedFile(const RequantizedFile&) = delete;
  RequantizedFile& operator=(const RequantizedFile&) = delete;
  ~RequantizedFile();

  // Finds out whether a file of about so many bytes can be written, and get the name `path` then:
  // before work begins that would be lost. Leaves nothing. Throws IO_FAILED, as `write` and
  // `commit`.
  void prepare(const std::string& path, std::uint64_t bytes, bool overwrite);

  // Writes the file; returns its bytes. To be called once. Throws ABORTED, IO_FAILED (with
  // `neededBytes` and `availableBytes` where the disk has no room), FILE_NOT_FOUND,
  // INTEGRITY_FAILED, MODEL_INVALID, InvalidArgument for a format that does not fit a tensor.
  std::uint64_t write(const AbortFlag& abort, const std::function<void(float)>& on_progress);

  // Gives the file a name on the same file system, which nothing else may have; with `overwrite`,
  // another file than the source may, and is replaced in one step. Throws IO_FAILED.
  void commit(const std::string& path, bool overwrite);

  // Keeps the file from going with this object: it is somebody else's from now on.
  void release() { exists_ = false; }

  // Deletes the file, where there is one.
  void discard() noexcept;

 private:
  RequantizeOptions options_;
  std::string path_;  // where the file lies now
  bool exists_ = false;
};

}  // namespace mobillm::llamacpp
