// What is opened without a function that QNN has, in a library that looks like Qualcomm's, and
// other files that are no libraries.

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "codes.hpp"
#include "context_binary.hpp"
#include "device.hpp"
#include "library.hpp"

namespace mobillm::qnn::test {

namespace {

void a_function_that_is_not_there_is_named() {
  const auto library = std::make_shared<const Library>(LOOK_ALIKE);
  CHECK_EQUAL(library->provider(), std::string("HTP_QTI_AISW"));
  CHECK_EQUAL(library->build_id(), std::string("v2.51.0.260929181845"));
  CHECK(list_devices(*library).empty());
  CHECK_THROWS(Error, Device(library, std::nullopt), {
    CHECK_EQUAL(error.code(), code::kUnsupported);
    CHECK(std::string(error.what()).find("logCreate") != std::string::npos);
  });
  const SystemLibrary system(LOOK_ALIKE);
  std::vector<std::byte> binary(1000);
  CHECK_THROWS(Error, describe_binary(system, binary),
               CHECK_EQUAL(error.code(), code::kUnsupported));
}

void a_library_need_not_say_its_name() {
  CHECK_EQUAL(Library(LOOK_ALIKE_NAMELESS).provider(), std::string());
}

void what_is_no_whole_library_does_not_reach_the_loader() {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / "mobillm-qnn-look-alike";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const auto refused = [](const std::filesystem::path& path, const char* wanted) {
    CHECK_THROWS(Error, Library(path.string()), CHECK_EQUAL(error.code(), std::string(wanted)));
  };
  refused(folder / "missing.so", code::kFileNotFound);
  refused(folder, code::kFileNotFound);
  // Nobody writes into it: opening it would wait for ever.
  const std::filesystem::path pipe = folder / "pipe.so";
  CHECK_EQUAL(mkfifo(pipe.c_str(), 0600), 0);
  refused(pipe, code::kFileNotFound);
  const AbortFlag never;
  CHECK_THROWS(Error, read_recorded({pipe.string(), 1, std::string(64, '0')}, never),
               CHECK_EQUAL(error.code(), code::kFileNotFound));
  // At each length from nothing to the last byte of what the loader maps.
  const std::filesystem::path cut = folder / "cut.so";
  const auto bytes = std::filesystem::file_size(LOOK_ALIKE);
  for (std::uintmax_t left = 0; left < bytes / 2; left += 61) {
    std::filesystem::remove(cut);
    std::filesystem::copy_file(LOOK_ALIKE, cut);
    std::filesystem::resize_file(cut, left);
    refused(cut, code::kAddonIncompatible);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace

}  // namespace mobillm::qnn::test

int main() {
  using namespace mobillm::qnn::test;
  a_function_that_is_not_there_is_named();
  a_library_need_not_say_its_name();
  what_is_no_whole_library_does_not_reach_the_loader();
}
