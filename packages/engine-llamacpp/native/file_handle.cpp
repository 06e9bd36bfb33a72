#include "file_handle.hpp"

#include <algorithm>
#include <filesystem>

#include "checked_file.hpp"
#include "mobillm/option_reader.hpp"

namespace mobillm::llamacpp {

void FileHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("File", DefineClass(env, "File",
                                  {getter<&FileHandle::byte_length>("byteLength"),
                                   getter<&FileHandle::modified_at>("modifiedAt"),
                                   method<&FileHandle::read>("read"),
                                   method<&FileHandle::close>("close")}));
}

FileHandle::FileHandle(const Napi::CallbackInfo& info) : Handle(info) {
  guarded(info.Env(), [&] {
    path_ = read_string(info[0], "path");
    const FileStamp stamp = stamp_of(path_);
    byte_length_ = stamp.bytes;
    modified_at_ = stamp.modified_at;
    file_.open(std::filesystem::path(reinterpret_cast<const char8_t*>(path_.c_str())),
               std::ios::binary);
    if (!file_) {
      throw Error(code::kFileNotFound,
                  "The file " + path_ + " cannot be read. Check its permissions.",
                  {{"path", path_}});
    }
  });
}

Napi::Value FileHandle::byte_length(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(byte_length_));
}

Napi::Value FileHandle::modified_at(const Info& info) {
  return Napi::Number::New(info.Env(), modified_at_);
}

Napi::Value FileHandle::read(const Info& info) {
  require_open("The file");
  const auto offset = read_integer<std::int64_t>(info[0], "offset", 0, std::int64_t{1} << 53);
  const auto length = read_integer<std::int64_t>(info[1], "length", 0, std::int64_t{1} << 31);
  const auto start = std::min<std::uint64_t>(static_cast<std::uint64_t>(offset), byte_length_);
  const auto wanted =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(length), byte_length_ - start);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(info.Env(), wanted);
  if (wanted == 0) return bytes;
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(start));
  file_.read(reinterpret_cast<char*>(bytes.Data()), static_cast<std::streamsize>(wanted));
  if (static_cast<std::uint64_t>(file_.gcount()) != wanted) {
    throw Error(code::kIoFailed,
                "Reading " + path_ + " failed: it became shorter, or its disk has a fault.",
                {{"path", path_}, {"offset", static_cast<double>(start)}});
  }
  return bytes;
}

Napi::Value FileHandle::close(const Info& info) {
  if (mark_closed()) file_.close();
  return info.Env().Undefined();
}

}  // namespace mobillm::llamacpp
