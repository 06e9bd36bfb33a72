#include "tvm_library.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "runtime.hpp"

using mobillm::mlc::initialize_library;
using mobillm::mlc::LibraryPaths;
using mobillm::mlc::runtime_paths;

namespace {

void expect(const LibraryPaths& paths, const char* code, const std::string& part) {
  CHECK_THROWS(mobillm::Error, initialize_library(paths), {
    CHECK_EQUAL(error.code(), std::string(code));
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  });
}

void failures_leave_the_process_free_to_try_others() {
  const LibraryPaths sound = runtime_paths();
  expect({"/no/libtvm_ffi.so", sound.runtime}, "ADDON_NOT_FOUND", "/no/libtvm_ffi.so");
  expect({sound.ffi, "/no/libtvm_runtime.so"}, "ADDON_NOT_FOUND", "/no/libtvm_runtime.so");
  const auto text = std::filesystem::temp_directory_path() / "mobillm-tvm-library-test.so";
  std::ofstream(text) << "This is no library at all, but it is as long as the header of one.  ";
  expect({text.string(), sound.runtime}, "ADDON_INCOMPATIBLE", "is no shared library");
  // A library, but another one.
  expect({"/proc/self/exe", sound.runtime}, "ADDON_INCOMPATIBLE", "mlc_tvm_library_test");
}

void a_process_holds_one_runtime() {
  const LibraryPaths sound = runtime_paths();
  const auto& facts = initialize_library(sound);
  CHECK_EQUAL(facts.ffi_version.major, 0u);
  CHECK_EQUAL(facts.ffi_version.minor, 1u);
  CHECK(facts.ffi_version.patch >= 13);
  CHECK_EQUAL(facts.runtime_build.size(), std::size_t{40});
  CHECK_EQUAL(&initialize_library(sound), &facts);
  expect({sound.ffi, "/another/libtvm_runtime.so"}, "UNSUPPORTED", sound.runtime);
}

}  // namespace

int main() {
  failures_leave_the_process_free_to_try_others();
  a_process_holds_one_runtime();
}
