#include "object_file.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "runtime.hpp"

using mobillm::mlc::check_object_file;
using mobillm::mlc::ObjectFileErrors;

namespace {

const ObjectFileErrors kErrors{.missing = mobillm::code::kFileNotFound,
                               .invalid = mobillm::code::kModelInvalid,
                               .foreign = mobillm::code::kModelUnsupported,
                               .what = "The library",
                               .remedy = "Do something."};

std::string written(const std::string& bytes) {
  const auto path = std::filesystem::temp_directory_path() / "mobillm-object-file-test.so";
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect(const std::string& path, const char* code, const std::string& part) {
  CHECK_THROWS(mobillm::Error, check_object_file(path, kErrors), {
    CHECK_EQUAL(error.code(), std::string(code));
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  });
}

void sound_libraries_have_a_build_id() {
  const std::string id = check_object_file(mobillm::mlc::runtime_paths().runtime, kErrors);
  CHECK_EQUAL(id.size(), std::size_t{40});
  CHECK_EQUAL(id.find_first_not_of("0123456789abcdef"), std::string::npos);
}

void what_is_no_library_is_refused() {
  expect("/there/is/no/such.so", "FILE_NOT_FOUND", "/there/is/no/such.so");
  expect("/tmp", "FILE_NOT_FOUND", "/tmp");
  expect(written(""), "MODEL_INVALID", "is no shared library");
  expect(written(std::string(4096, 'x')), "MODEL_INVALID", "is no shared library");
}

void other_processors_are_named() {
  std::string library = content_of(mobillm::mlc::runtime_paths().ffi);
  library.resize(4096);
  library[18] = static_cast<char>(243);
  expect(written(library), "MODEL_UNSUPPORTED", "made for RISC-V");
  library[4] = 1;
  library[18] = 40;
  expect(written(library), "MODEL_UNSUPPORTED", "made for 32-bit Arm");
}

void cut_and_damaged_files_are_refused_before_the_loader_sees_them() {
  const std::string library = content_of(mobillm::mlc::runtime_paths().ffi);
  expect(written(library.substr(0, 40)), "MODEL_INVALID", "is no shared library");
  expect(written(library.substr(0, 100)), "MODEL_INVALID", "is cut off or damaged");
  expect(written(library.substr(0, library.size() / 2)), "MODEL_INVALID", "is cut off");
  std::string program = library;
  program[16] = 2;
  expect(written(program), "MODEL_INVALID", "another kind of ELF file");
  std::string far = library;
  for (std::size_t i = 32; i < 40; ++i) far[i] = '\xff';
  expect(written(far), "MODEL_INVALID", "is cut off or damaged");
}

void symbols_are_looked_for_in_the_library_alone() {
  const std::string path = mobillm::mlc::runtime_paths().ffi;
  ObjectFileErrors errors = kErrors;
  errors.symbol = "TVMFFIGetVersion";
  check_object_file(path, errors);
  const auto refuse = [&](const std::string& from, const char* symbol, const std::string& part) {
    errors.symbol = symbol;
    CHECK_THROWS(mobillm::Error, check_object_file(from, errors), {
      CHECK_EQUAL(error.code(), std::string("MODEL_INVALID"));
      CHECK(std::string(error.what()).find(part) != std::string::npos);
    });
  };
  refuse(path, "TVMFFIGetVersio", "does not define TVMFFIGetVersio. Do something.");
  refuse(path, "malloc", "does not define malloc");
  std::string far = content_of(path);
  for (std::size_t i = 40; i < 48; ++i) far[i] = '\xff';
  refuse(written(far), "TVMFFIGetVersion", "is cut off or damaged");
  // Bytes of the table of sections, changed: refused or not, read within the file.
  const std::string sound = content_of(path);
  std::uint64_t table = 0;
  std::memcpy(&table, sound.data() + 40, sizeof table);
  for (std::uint64_t i = table; i < sound.size(); i += 11) {
    std::string changed = sound;
    changed[i] = static_cast<char>(~changed[i]);
    try {
      check_object_file(written(changed), errors);
    } catch (const mobillm::Error& error) {
      CHECK_EQUAL(error.code(), std::string("MODEL_INVALID"));
    }
  }
}

}  // namespace

int main() {
  sound_libraries_have_a_build_id();
  what_is_no_library_is_refused();
  other_processors_are_named();
  cut_and_damaged_files_are_refused_before_the_loader_sees_them();
  symbols_are_looked_for_in_the_library_alone();
}
