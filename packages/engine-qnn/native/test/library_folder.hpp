// Qualcomm's libraries, for the tests.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "check.hpp"
#include "library.hpp"
#include "model.hpp"

namespace mobillm::qnn::test {

// Build of the libraries that the tests were written for. Another one, or a stand-in, fails them.
inline constexpr const char* kBuild = "v2.51.0.260929181845";

// Path of a file in the folder that MOBILLM_QNN_LIBRARY_DIR names; the script that runs the tests
// sets it.
inline std::string library_file(const char* name) {
  const char* folder = std::getenv("MOBILLM_QNN_LIBRARY_DIR");
  if (folder == nullptr) {
    std::cerr << "MOBILLM_QNN_LIBRARY_DIR does not name the folder of QNN's libraries\n";
    std::exit(1);
  }
  return std::string(folder) + '/' + name;
}

inline std::shared_ptr<const Library> open_htp() {
  auto library = std::make_shared<const Library>(library_file("libQnnHtp.so"));
  CHECK_EQUAL(library->build_id(), std::string(kBuild));
  CHECK_EQUAL(library->provider(), std::string("HTP_QTI_AISW"));
  return library;
}

inline Libraries open_libraries() {
  return {open_htp(), std::make_shared<const SystemLibrary>(library_file("libQnnSystem.so"))};
}

}  // namespace mobillm::qnn::test
