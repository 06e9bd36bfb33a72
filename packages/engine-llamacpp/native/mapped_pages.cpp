#include "mapped_pages.hpp"

#include <algorithm>
#include <charconv>

#if defined(__linux__)
#include <sys/mman.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#endif

namespace mobillm::llamacpp {

namespace {

// Takes one field off the front of a line.
std::string_view next_field(std::string_view& line) {
  const std::size_t start = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t end = std::min(line.find(' ', start), line.size());
  const std::string_view field = line.substr(start, end - start);
  line.remove_prefix(end);
  return field;
}

bool read_address(std::string_view text, std::uintptr_t& address) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), address, 16);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Calls `body` with each line of a text.
template <typename Body>
void for_each_line(std::string_view text, Body body) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    body(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::vector<AddressRange> parse_mapped_ranges(std::string_view maps, std::string_view path,
                                              bool folder) {
  std::vector<AddressRange> ranges;
  // 7f12a000-7f12c000 r--s 00000000 fe:00 1234   /models/a.gguf
  for_each_line(maps, [&](std::string_view line) {
    const std::string_view addresses = next_field(line);
    const std::string_view rights = next_field(line);
    for (int skipped = 0; skipped < 3; ++skipped) next_field(line);
    const std::size_t start = line.find_first_not_of(' ');
    if (start == std::string_view::npos || rights.substr(0, 2) != "r-") return;
    std::string_view file = line.substr(start);
    if (folder) file = file.substr(0, file.rfind('/'));
    if (file != path) return;
    const std::size_t dash = addresses.find('-');
    AddressRange range{};
    if (dash == std::string_view::npos || !read_address(addresses.substr(0, dash), range.begin) ||
        !read_address(addresses.substr(dash + 1), range.end)) {
      return;
    }
    ranges.push_back(range);
  });
  return ranges;
}

bool logs_copied_weights(std::string_view log) {
  bool copied = false;
  // load_tensors:   CPU_Mapped model buffer size =    91.63 MiB
  // load_tensors:   CPU_REPACK model buffer size =    57.06 MiB
  for_each_line(log, [&](std::string_view line) {
    const std::size_t label = line.find(" model buffer size");
    if (label == std::string_view::npos) return;
    constexpr std::string_view kMapped = "_Mapped";
    const std::string_view name = line.substr(0, label);
    copied = copied || name.size() < kMapped.size() ||
             name.substr(name.size() - kMapped.size()) != kMapped;
  });
  return copied;
}

std::optional<std::string> find_failed_lock(std::string_view log) {
  std::optional<std::string> reason;
  // warning: failed to mlock 91627520-byte buffer (after previously locking 0 bytes): Cannot …
  for_each_line(log, [&](std::string_view line) {
    if (reason || (line.find("failed to mlock") == std::string_view::npos &&
                   line.find("failed to VirtualLock") == std::string_view::npos)) {
      return;
    }
    constexpr std::string_view kEnd = " bytes): ";
    const std::size_t end = line.find(kEnd);
    reason = end == std::string_view::npos ? line : line.substr(end + kEnd.size());
  });
  return reason;
}

void release_mapped_pages(const std::string& path, bool whole_folder) {
#if defined(__linux__)
  std::error_code trouble;
  std::filesystem::path file = std::filesystem::canonical(path, trouble);
  if (trouble) return;
  if (whole_folder) file = file.parent_path();
  std::ifstream stream("/proc/self/maps");
  std::ostringstream maps;
  maps << stream.rdbuf();
  for (const AddressRange& range : parse_mapped_ranges(maps.str(), file.string(), whole_folder)) {
    // A hint: where it fails, the pages merely stay.
    madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, MADV_DONTNEED);
  }
#else
  static_cast<void>(path);
  static_cast<void>(whole_folder);
#endif
}

}  // namespace mobillm::llamacpp
