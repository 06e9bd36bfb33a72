// The small text files that a system tells of itself in.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace mobillm::llamacpp {

// All of a file; empty where it cannot be read.
inline std::string read_text_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

}  // namespace mobillm::llamacpp
