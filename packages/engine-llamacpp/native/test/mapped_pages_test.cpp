#include "mapped_pages.hpp"

#include "check.hpp"

#if defined(__linux__)
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#endif

using mobillm::llamacpp::find_failed_lock;
using mobillm::llamacpp::logs_copied_weights;
using mobillm::llamacpp::parse_mapped_ranges;
using mobillm::llamacpp::release_mapped_pages;

namespace {

#if defined(__linux__)
// Kibibytes of a mapping that are in memory.
long resident_kibibytes(const std::string& path) {
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.size() >= path.size() &&
        line.compare(line.size() - path.size(), path.size(), path) == 0) {
      inside = true;
    } else if (inside && line.rfind("Rss:", 0) == 0) {
      return std::stol(line.substr(4));
    }
  }
  return -1;
}

void gives_pages_back_and_reads_them_again() {
  char path[] = "/tmp/mobillm-mapped-XXXXXX";
  const int file = mkstemp(path);
  CHECK(file >= 0);
  const std::string bytes(1 << 20, 'x');
  CHECK_EQUAL(write(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  void* mapped = mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, file, 0);
  CHECK(mapped != MAP_FAILED);
  const auto* content = static_cast<const volatile char*>(mapped);
  for (std::size_t i = 0; i < bytes.size(); i += 4096) CHECK_EQUAL(content[i], 'x');
  CHECK_EQUAL(resident_kibibytes(path), 1024);
  release_mapped_pages("/tmp/mobillm-no-such-file", false);
  CHECK_EQUAL(resident_kibibytes(path), 1024);
  release_mapped_pages(path, false);
  CHECK_EQUAL(resident_kibibytes(path), 0);
  CHECK_EQUAL(content[5000], 'x');
  CHECK(resident_kibibytes(path) > 0);
  release_mapped_pages("/tmp/../tmp" + std::string(path).substr(4), true);
  CHECK_EQUAL(resident_kibibytes(path), 0);
  munmap(mapped, bytes.size());
  close(file);
  unlink(path);
}
#endif

}  // namespace

int main() {
  const std::string maps =
      "5581a000-5581c000 r-xp 00001000 fe:00 77    /usr/bin/node\n"
      "7f000000-7f002000 r--s 00000000 fe:00 1234                  /models/a b.gguf\n"
      "7f004000-7f005000 rw-s 00002000 fe:00 1234                  /models/a b.gguf\n"
      "7f006000-7f008000 r--p 00000000 fe:00 1235                  /models/c.gguf\n"
      "7f008000-7f009000 rw-p 00000000 00:00 0 \n"
      "7f009000 r--s\n";
  const auto one = parse_mapped_ranges(maps, "/models/a b.gguf", false);
  CHECK_EQUAL(one.size(), std::size_t{1});
  CHECK_EQUAL(one[0].begin, std::uintptr_t{0x7f000000});
  CHECK_EQUAL(one[0].end, std::uintptr_t{0x7f002000});
  CHECK_EQUAL(parse_mapped_ranges(maps, "/models", true).size(), std::size_t{2});
  CHECK(parse_mapped_ranges(maps, "/models", false).empty());
  CHECK(parse_mapped_ranges("", "", false).empty());

  CHECK(!logs_copied_weights("load_tensors:   CPU_Mapped model buffer size =    91.63 MiB\n"));
  CHECK(
      logs_copied_weights("load_tensors:   CPU_Mapped model buffer size =    91.63 MiB\n"
                          "load_tensors:   CPU_REPACK model buffer size =    57.06 MiB\n"));
  CHECK(!logs_copied_weights("load_tensors: loading\n"));

  CHECK_EQUAL(find_failed_lock("load_tensors: loading\n"
                               "warning: failed to mlock 4096-byte buffer (after previously "
                               "locking 0 bytes): Cannot allocate memory\nTry increasing …\n")
                  .value(),
              std::string("Cannot allocate memory"));
  CHECK(!find_failed_lock("load_tensors: loading model tensors (load_mode = mlock)\n"));

#if defined(__linux__)
  gives_pages_back_and_reads_them_again();
#endif
}
