// A file read from beginning to end in slices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "mobillm/c_ptr.hpp"

namespace mobillm::mlc {

inline void close_file(std::FILE* file) { std::fclose(file); }

class InputFile {
 public:
  // Throws FILE_NOT_FOUND, or the code given, unless it is a regular file that can be read.
  explicit InputFile(const std::string& path, const char* missing_code = nullptr);

  std::uint64_t size() const { return size_; }

  // Reads up to a buffer's size from where the last read ended; fewer only at the end. Throws
  // IO_FAILED.
  std::size_t read(std::span<std::byte> out);

  // Reads at a place. Throws IO_FAILED, also where the file is too short.
  void read_at(std::uint64_t offset, std::span<std::byte> out);

 private:
  std::string path_;
  std::uint64_t size_ = 0;
  CPtr<std::FILE, close_file> file_;
};

}  // namespace mobillm::mlc
