// What programs over a vocabulary of their own read.
#pragma once

#include <llama.h>

#include <fstream>
#include <sstream>
#include <string>

#include "check.hpp"
#include "mobillm/c_ptr.hpp"

namespace mobillm::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK(file.good());
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// Loads a vocabulary without weights.
inline CPtr<llama_model, llama_model_free> load_vocabulary(const std::string& path) {
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  CPtr<llama_model, llama_model_free> model(llama_model_load_from_file(path.c_str(), params));
  CHECK(model != nullptr);
  return model;
}

}  // namespace mobillm::test
