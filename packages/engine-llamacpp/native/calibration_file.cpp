#include "calibration_file.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#include <process.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace mobillm::llamacpp {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstLine = "mobillm calibration 2";
// Far more than `write` writes: nothing larger is read.
constexpr std::size_t kMostBytes = 16384;
constexpr int kMostThreads = 4096;

fs::path to_path(const std::string& utf8) {
  return fs::path(reinterpret_cast<const char8_t*>(utf8.c_str()));
}

// A name for a key; two keys of one name only cost each other their files.
std::string file_name(std::string_view key) {
  // FNV-1a of 64 bits.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : key) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr;
  return "llamacpp-" + std::string(digits.data(), end) + ".txt";
}

// A key takes one line, whatever is in it.
std::string one_line(std::string_view key) {
  std::string line(key);
  std::ranges::replace_if(
      line, [](char letter) { return static_cast<unsigned char>(letter) < ' '; }, ' ');
  return line;
}

// Takes a line off the front of `text`; empty where there is no whole one.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// The same for the value behind a name.
std::optional<std::string_view> take_value(std::string_view& text, std::string_view name) {
  const auto line = take_line(text);
  if (!line || !line->starts_with(name)) return std::nullopt;
  return line->substr(name.size());
}

std::string number_text(std::optional<int> number) {
  return number ? std::to_string(*number) : "unknown";
}

// Reads what `number_text` writes of threads into `number`; false where it is not that.
bool read_threads(std::string_view text, std::optional<int>& number) {
  if (text == "unknown") return true;
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  number = value;
  return value >= 1 && value <= kMostThreads;
}

// A file that nobody else has, beside its later name.
bool write_new(const fs::path& path, std::string_view text) {
#if defined(_WIN32)
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  return !file.fail();
#else
  // Never through somebody's symbolic link.
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const ssize_t written = ::write(file, text.data(), text.size());
  return ::close(file) == 0 && written == static_cast<ssize_t>(text.size());
#endif
}

long process_number() {
#if defined(_WIN32)
  return ::_getpid();
#else
  return ::getpid();
#endif
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

CalibrationFile::CalibrationFile(std::string folder, std::string key)
    : folder_(std::move(folder)), key_(std::move(key)) {
  if (!folder_.empty()) path_ = folder_ + "/" + file_name(key_);
}

std::optional<Calibration> CalibrationFile::read() const noexcept {
  try {
    std::error_code trouble;
    // Nothing but a file: to open a pipe would wait for its writer.
    if (path_.empty() || !fs::is_regular_file(to_path(path_), trouble)) return std::nullopt;
    // Its size is not asked for beforehand: another one may have taken its place since.
    std::ifstream file(to_path(path_), std::ios::binary);
    std::string text(kMostBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    const auto bytes = static_cast<std::size_t>(file.gcount());
    if (bytes > kMostBytes) return std::nullopt;
    text.resize(bytes);
    return parse_calibration(text, key_);
  } catch (...) {
    return std::nullopt;
  }
}

bool CalibrationFile::write(const Calibration& calibration) const noexcept {
  try {
    if (path_.empty()) return false;
    std::error_code trouble;
    fs::create_directories(to_path(folder_), trouble);
    static std::atomic<unsigned> count{0};
    const fs::path own = to_path(path_ + "." + std::to_string(process_number()) + "-" +
                                 std::to_string(count.fetch_add(1)) + ".new");
    if (write_new(own, format_calibration(calibration, key_))) {
      fs::rename(own, to_path(path_), trouble);
      if (!trouble) return true;
    }
    fs::remove(own, trouble);
    return false;
  } catch (...) {
    return false;
  }
}

std::string format_calibration(const Calibration& calibration, std::string_view key) {
  std::string text(kFirstLine);
  text += "\nkey " + one_line(key);
  text += "\nthreads " + number_text(calibration.threads);
  text += "\nflash-attention ";
  text += !calibration.flash_attention ? "unknown" : *calibration.flash_attention ? "on" : "off";
  text += calibration.contended ? "\ncontended yes\n" : "\ncontended no\n";
  return text;
}

std::optional<Calibration> parse_calibration(std::string_view text, std::string_view key) {
  if (take_line(text) != kFirstLine || take_value(text, "key ") != one_line(key)) {
    return std::nullopt;
  }
  const auto threads = take_value(text, "threads ");
  const auto flash = take_value(text, "flash-attention ");
  const auto contended = take_value(text, "contended ");
  if (!threads || !flash || !contended || !text.empty()) return std::nullopt;

  Calibration calibration;
  if (!read_threads(*threads, calibration.threads)) return std::nullopt;
  if (*flash != "unknown") {
    if (*flash != "on" && *flash != "off") return std::nullopt;
    calibration.flash_attention = *flash == "on";
  }
  if (*contended != "yes" && *contended != "no") return std::nullopt;
  calibration.contended = *contended == "yes";
  return calibration;
}

std::string default_calibration_folder() {
  if (const std::string cache = environment("MOBILLM_CACHE_DIR"); !cache.empty()) {
    return cache + "/calibration";
  }
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return cache + "/mobillm/calibration";
  }
#if defined(_WIN32)
  if (const std::string local = environment("LOCALAPPDATA"); !local.empty()) {
    return local + "/mobillm/calibration";
  }
#else
  if (const std::string home = environment("HOME"); !home.empty()) {
    return home + "/.cache/mobillm/calibration";
  }
#endif
  return {};
}

}  // namespace mobillm::llamacpp
