#include "object_file.hpp"

#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "input_file.hpp"
#include "mobillm/error.hpp"

namespace mobillm::mlc {

namespace {

// Layouts and numbers: System V ABI, chapter 4 and 5 (https://refspecs.linuxfoundation.org/elf/).
struct ElfHeader {
  std::array<unsigned char, 16> identity;
  std::uint16_t type;
  std::uint16_t machine;
  std::uint32_t version;
  std::uint64_t entry;
  std::uint64_t segments_offset;
  std::uint64_t sections_offset;
  std::uint32_t flags;
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t segment_count;
  std::uint16_t section_bytes;
  std::uint16_t section_count;
  std::uint16_t names_section;
};
static_assert(sizeof(ElfHeader) == 64);

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

struct ElfNote {
  std::uint32_t name_bytes;
  std::uint32_t content_bytes;
  std::uint32_t type;
};

struct ElfSection {
  std::uint32_t name;
  std::uint32_t type;
  std::uint64_t flags;
  std::uint64_t address;
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint32_t link;
  std::uint32_t info;
  std::uint64_t alignment;
  std::uint64_t entry_bytes;
};
static_assert(sizeof(ElfSection) == 64);

struct ElfSymbol {
  std::uint32_t name;
  unsigned char info;
  unsigned char other;
  std::uint16_t section;
  std::uint64_t value;
  std::uint64_t bytes;
};
static_assert(sizeof(ElfSymbol) == 24);

constexpr unsigned char kClass32 = 1;
constexpr unsigned char kClass64 = 2;
constexpr unsigned char kLittleEndian = 1;
constexpr std::uint16_t kSharedObject = 3;
constexpr std::uint32_t kLoadedSegment = 1;
constexpr std::uint32_t kNoteSegment = 4;
constexpr std::uint32_t kBuildIdNote = 3;
constexpr std::uint64_t kMostNoteBytes = 1 << 16;
constexpr std::uint32_t kDynamicSymbols = 11;
constexpr std::uint64_t kMostTableBytes = 1 << 26;

constexpr std::uint16_t kThisMachine =
#if defined(__x86_64__) || defined(_M_X64)
    62;
#elif defined(__aarch64__) || defined(_M_ARM64)
    183;
#elif defined(__riscv)
    243;
#else
    0;
#endif

std::string machine_name(unsigned char elf_class, std::uint16_t machine) {
  if (elf_class == kClass32) return machine == 40 ? "32-bit Arm" : "a 32-bit processor";
  switch (machine) {
    case 62:
      return "x86-64";
    case 183:
      return "AArch64";
    case 243:
      return "RISC-V";
    default:
      return "the processor number " + std::to_string(machine);
  }
}

std::string build_id_in(const std::vector<std::byte>& notes) {
  const auto padded = [](std::uint32_t bytes) { return (std::uint64_t{bytes} + 3) / 4 * 4; };
  std::uint64_t at = 0;
  while (at + sizeof(ElfNote) <= notes.size()) {
    ElfNote note{};
    std::memcpy(&note, notes.data() + at, sizeof note);
    const std::uint64_t name = at + sizeof note;
    const std::uint64_t content = name + padded(note.name_bytes);
    at = content + padded(note.content_bytes);
    if (at > notes.size()) break;
    if (note.type != kBuildIdNote || note.name_bytes != 4 ||
        std::memcmp(notes.data() + name, "GNU", 4) != 0) {
      continue;
    }
    std::string id;
    for (std::uint64_t i = content; i < content + note.content_bytes; ++i) {
      const auto byte = std::to_integer<unsigned>(notes[i]);
      id += "0123456789abcdef"[byte >> 4];
      id += "0123456789abcdef"[byte & 0xf];
    }
    return id;
  }
  return "";
}

class Checker {
 public:
  Checker(const std::string& path, const ObjectFileErrors& errors)
      : path_(path), errors_(errors), file_(path, errors.missing) {}

  std::string check() {
    ElfHeader header{};
    if (file_.size() < sizeof header) fail("is no shared library");
    file_.read_at(0, std::as_writable_bytes(std::span(&header, 1)));
    if (std::memcmp(header.identity.data(),
                    "\x7f"
                    "ELF",
                    4) != 0)
      fail("is no shared library");
    if (header.identity[4] != kClass64 || header.identity[5] != kLittleEndian ||
        header.machine != kThisMachine) {
      throw Error(errors_.foreign,
                  errors_.what + " " + path_ + " is made for " +
                      machine_name(header.identity[4], header.machine) + ", and this process is " +
                      machine_name(kClass64, kThisMachine) + ". " + errors_.remedy,
                  {{"path", path_}, {"machine", static_cast<double>(header.machine)}});
    }
    if (header.type != kSharedObject) fail("is no shared library, but another kind of ELF file");
    std::string build_id = check_segments(header);
    if (errors_.symbol != nullptr && !defines(header, errors_.symbol)) {
      fail(std::string("is another library: it does not define ") + errors_.symbol);
    }
    return build_id;
  }

 private:
  std::string check_segments(const ElfHeader& header) {
    const std::uint64_t table_bytes = std::uint64_t{header.segment_count} * sizeof(ElfSegment);
    if (header.segment_bytes != sizeof(ElfSegment) || header.segment_count == 0 ||
        header.segments_offset > file_.size() ||
        table_bytes > file_.size() - header.segments_offset) {
      fail("is cut off or damaged");
    }
    std::vector<ElfSegment> segments(header.segment_count);
    file_.read_at(header.segments_offset, std::as_writable_bytes(std::span(segments)));
    std::string build_id;
    for (const ElfSegment& segment : segments) {
      if (segment.type != kLoadedSegment && segment.type != kNoteSegment) continue;
      if (segment.offset > file_.size() || segment.file_bytes > file_.size() - segment.offset) {
        fail("is cut off");
      }
      if (segment.type == kLoadedSegment || segment.file_bytes > kMostNoteBytes) continue;
      std::vector<std::byte> notes(segment.file_bytes);
      file_.read_at(segment.offset, notes);
      if (build_id.empty()) build_id = build_id_in(notes);
    }
    return build_id;
  }

  // A table of the file, as many whole entries as there are.
  template <typename Entry>
  std::vector<Entry> table(std::uint64_t offset, std::uint64_t bytes) {
    if (bytes > kMostTableBytes || offset > file_.size() || bytes > file_.size() - offset) {
      fail("is cut off or damaged");
    }
    std::vector<Entry> entries(bytes / sizeof(Entry));
    file_.read_at(offset, std::as_writable_bytes(std::span(entries)));
    return entries;
  }

  bool defines(const ElfHeader& header, std::string_view name) {
    if (header.section_count > 0 && header.section_bytes != sizeof(ElfSection)) {
      fail("is cut off or damaged");
    }
    const auto sections = table<ElfSection>(
        header.sections_offset, std::uint64_t{header.section_count} * sizeof(ElfSection));
    for (const ElfSection& section : sections) {
      if (section.type != kDynamicSymbols || section.link >= sections.size()) continue;
      const ElfSection& text = sections[section.link];
      const auto names = table<char>(text.offset, text.bytes);
      for (const ElfSymbol& symbol : table<ElfSymbol>(section.offset, section.bytes)) {
        // With the zero that ends it.
        if (symbol.section != 0 && symbol.name < names.size() &&
            name.size() < names.size() - symbol.name &&
            std::string_view(names.data() + symbol.name, name.size()) == name &&
            names[symbol.name + name.size()] == '\0') {
          return true;
        }
      }
    }
    return false;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(errors_.invalid, errors_.what + " " + path_ + " " + what + ". " + errors_.remedy,
                {{"path", path_}});
  }

  const std::string& path_;
  const ObjectFileErrors& errors_;
  InputFile file_;
};

}  // namespace

std::string check_object_file(const std::string& path, const ObjectFileErrors& errors) {
#if defined(__linux__) || defined(__ANDROID__)
  return Checker(path, errors).check();
#else
  const InputFile file(path, errors.missing);
  return "";
#endif
}

}  // namespace mobillm::mlc
