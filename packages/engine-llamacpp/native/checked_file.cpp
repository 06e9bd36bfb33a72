#include "checked_file.hpp"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

std::filesystem::path to_path(const std::string& utf8) {
  return {reinterpret_cast<const char8_t*>(utf8.c_str())};
}

std::FILE* open_file(const std::string& path) {
#ifdef _WIN32
  return _wfopen(to_path(path).c_str(), L"rb");
#else
  return std::fopen(path.c_str(), "rb");
#endif
}

void require_unchanged(const CheckedFile& file) {
  if (stamp_of(file.path) == file.stamp) return;
  throw Error(code::kIntegrityFailed,
              "The file " + file.path +
                  " was changed while it was being opened. Open it again when it is complete.",
              {{"path", file.path}});
}

}  // namespace

FileStamp stamp_of(const std::string& path) {
  std::error_code trouble;
  const std::filesystem::path native = to_path(path);
  if (!std::filesystem::is_regular_file(native, trouble)) {
    throw Error(code::kFileNotFound,
                "There is no file " + path + ". Check the path, and that the file was not moved.",
                {{"path", path}});
  }
  FileStamp stamp;
  stamp.bytes = std::filesystem::file_size(native, trouble);
  stamp.modified_at = std::chrono::duration<double>(
                          std::filesystem::last_write_time(native, trouble).time_since_epoch())
                          .count();
  return stamp;
}

OpenFile open_checked(const CheckedFile& file) {
  OpenFile opened(open_file(file.path));
  // After opening: while the path still names the checked file, that is the one which was opened.
  require_unchanged(file);
  if (opened == nullptr) {
    throw Error(code::kFileNotFound,
                "The file " + file.path + " cannot be read. Check its permissions.",
                {{"path", file.path}});
  }
  return opened;
}

llama_model* load_checked(const CheckedFile& file, const llama_model_params& params) {
  if (file.split) {
    require_unchanged(file);
    return llama_model_load_from_file(file.path.c_str(), params);
  }
  const OpenFile opened = open_checked(file);
  return llama_model_load_from_file_ptr(opened.get(), params);
}

llama_adapter_lora* load_checked_adapter(const CheckedFile& file, llama_model* model) {
  const OpenFile opened = open_checked(file);
  return llama_adapter_lora_init_from_file_ptr(model, opened.get());
}

}  // namespace mobillm::llamacpp
