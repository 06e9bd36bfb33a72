#include "input_file.hpp"

#include <filesystem>
#include <system_error>

#include "mobillm/error.hpp"

namespace mobillm::mlc {

namespace {

std::filesystem::path to_path(const std::string& utf8) {
  return {reinterpret_cast<const char8_t*>(utf8.c_str())};
}

std::FILE* open_file(const std::filesystem::path& path) {
#ifdef _WIN32
  return _wfopen(path.c_str(), L"rb");
#else
  return std::fopen(path.c_str(), "rb");
#endif
}

}  // namespace

InputFile::InputFile(const std::string& path, const char* missing_code) : path_(path) {
  const char* missing = missing_code == nullptr ? code::kFileNotFound : missing_code;
  const std::filesystem::path native = to_path(path);
  std::error_code trouble;
  if (!std::filesystem::is_regular_file(native, trouble)) {
    throw Error(missing,
                "There is no file " + path + ". Check the path, and that the file was not moved.",
                {{"path", path}});
  }
  file_.reset(open_file(native));
  size_ = std::filesystem::file_size(native, trouble);
  if (file_ == nullptr || trouble) {
    throw Error(missing, "The file " + path + " cannot be read. Check its permissions.",
                {{"path", path}});
  }
}

std::size_t InputFile::read(std::span<std::byte> out) {
  const std::size_t count = std::fread(out.data(), 1, out.size(), file_.get());
  if (count < out.size() && std::ferror(file_.get()) != 0) {
    throw Error(code::kIoFailed, "Reading " + path_ + " failed. Check the disk, and try again.",
                {{"path", path_}});
  }
  return count;
}

void InputFile::read_at(std::uint64_t offset, std::span<std::byte> out) {
#ifdef _WIN32
  const bool placed = _fseeki64(file_.get(), static_cast<std::int64_t>(offset), SEEK_SET) == 0;
#else
  const bool placed = fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) == 0;
#endif
  if (placed && read(out) == out.size()) return;
  throw Error(code::kIoFailed, "Reading " + path_ + " failed. Check the disk, and try again.",
              {{"path", path_}});
}

}  // namespace mobillm::mlc
