#include "elf_check.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

// Field values of the ELF specification.
constexpr std::uint8_t kClass64 = 2;
constexpr std::uint8_t kLittleEndian = 1;
constexpr char kMagic[] = {0x7f, 'E', 'L', 'F'};
constexpr std::uint16_t kSharedObject = 3;
constexpr std::uint32_t kLoaded = 1;
constexpr std::uint16_t kX86 = 3;
constexpr std::uint16_t kArm = 40;
constexpr std::uint16_t kX86_64 = 62;
constexpr std::uint16_t kHexagon = 164;
constexpr std::uint16_t kAarch64 = 183;

#if defined(__x86_64__)
constexpr std::uint16_t kOwnMachine = kX86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kOwnMachine = kAarch64;
#else
constexpr std::uint16_t kOwnMachine = 0;
#endif

// The fields in their order. Those behind a type of another class of ELF file are not looked at.
struct ElfHeader {
  std::array<std::uint8_t, 16> ident;
  std::uint16_t type;
  std::uint16_t machine;
  std::uint32_t version;
  std::uint64_t entry;
  std::uint64_t segments_at;
  std::uint64_t sections_at;
  std::uint32_t flags;
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t segment_count;
};
static_assert(offsetof(ElfHeader, segment_count) == 56);

struct ElfSegment {
  std::uint32_t type;
  std::uint32_t flags;
  std::uint64_t offset;
  std::uint64_t virtual_address;
  std::uint64_t physical_address;
  std::uint64_t file_bytes;
  std::uint64_t memory_bytes;
  std::uint64_t alignment;
};
static_assert(sizeof(ElfSegment) == 56);

// False where the file ends before.
template <typename Part>
bool read_at(std::ifstream& file, std::uint64_t offset, Part& part) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(&part), sizeof part);
  return file.gcount() == static_cast<std::streamsize>(sizeof part);
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case kX86:
      return "32-bit x86";
    case kArm:
      return "32-bit ARM";
    case kX86_64:
      return "x86-64";
    case kHexagon:
      return "Hexagon";
    case kAarch64:
      return "AArch64";
    default:
      return "a processor of ELF number " + std::to_string(machine);
  }
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(code::kAddonIncompatible, "The library " + path + " cannot be used here: " + why,
              {{"path", path}});
}

}  // namespace

void check_shared_library(const std::string& path) {
  // A name alone is for the system's loader to find.
  if (path.find('/') == std::string::npos) return;
  std::error_code trouble;
  // Looked at first: opening a pipe waits for somebody to write into it.
  std::ifstream file;
  if (std::filesystem::is_regular_file(path, trouble)) file.open(path, std::ios::binary);
  if (!file.is_open()) {
    throw Error(code::kFileNotFound,
                "There is no readable library " + path +
                    ". Name the folder of Qualcomm's QNN libraries for this system.",
                {{"path", path}});
  }
  ElfHeader header{};
  const bool whole = read_at(file, 0, header);
  if (!whole || std::memcmp(header.ident.data(), kMagic, sizeof kMagic) != 0) {
    refuse(path, "it is no ELF file. Take the library from Qualcomm's own package.");
  }
  if (header.ident[4] != kClass64 || header.ident[5] != kLittleEndian ||
      header.machine != kOwnMachine) {
    refuse(path, "it is made for " + machine_name(header.machine) + ", and this process runs on " +
                     machine_name(kOwnMachine) +
                     ". Take the library from the folder of QNN's that is for this system.");
  }
  if (header.type != kSharedObject) refuse(path, "it is no shared library.");
  const std::uintmax_t bytes = std::filesystem::file_size(path, trouble);
  for (std::uint16_t i = 0; i < header.segment_count; ++i) {
    ElfSegment segment{};
    const bool read = header.segments_at <= bytes &&
                      read_at(file, header.segments_at + i * sizeof segment, segment);
    if (read && segment.type != kLoaded) continue;
    if (read && segment.offset <= bytes && segment.file_bytes <= bytes - segment.offset) continue;
    refuse(path, "it is cut off. Copy or install it again.");
  }
}

}  // namespace mobillm::qnn
