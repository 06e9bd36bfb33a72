// Random reads of a file, so that the engine's TypeScript needs no module of Node for them.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "mobillm/handle.hpp"

namespace mobillm::llamacpp {

// new File(path): throws FILE_NOT_FOUND. Reads are synchronous and meant for headers.
class FileHandle : public Handle<FileHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit FileHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value byte_length(const Info& info);
  Napi::Value modified_at(const Info& info);
  Napi::Value read(const Info& info);
  Napi::Value close(const Info& info);

  std::string path_;
  std::uint64_t byte_length_ = 0;
  double modified_at_ = 0;  // seconds of the file system's own clock
  std::ifstream file_;
};

}  // namespace mobillm::llamacpp
