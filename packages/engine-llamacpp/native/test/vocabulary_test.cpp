// Compares a vocabulary with llama.cpp's own test vectors: `<file>.inp` holds texts and
// `<file>.out` the tokens of each on a line.

#include "vocabulary.hpp"

#include <llama.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "library_log.hpp"
#include "mobillm/c_ptr.hpp"

using mobillm::llamacpp::Vocabulary;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK(file.good());
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

std::vector<std::string> read_texts(const std::string& path) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string all = read_file(path);
  std::vector<std::string> texts;
  std::size_t start = 0;
  while (start < all.size()) {
    const std::size_t end = std::min(all.find(separator, start), all.size());
    texts.push_back(all.substr(start, end - start));
    start = end + separator.size();
  }
  return texts;
}

std::vector<std::vector<llama_token>> read_rows(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<std::vector<llama_token>> rows;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    auto& row = rows.emplace_back();
    for (llama_token token = 0; numbers >> token;) row.push_back(token);
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  CHECK_EQUAL(argc, 2);
  const std::string path = argv[1];
  mobillm::llamacpp::install_library_log();
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  const mobillm::CPtr<llama_model, llama_model_free> model(
      llama_model_load_from_file(path.c_str(), params));
  CHECK(model != nullptr);
  const Vocabulary vocabulary(llama_model_get_vocab(model.get()));

  const auto texts = read_texts(path + ".inp");
  const auto rows = read_rows(path + ".out");
  CHECK(texts.size() > 10);
  CHECK_EQUAL(rows.size(), texts.size());
  int wrong = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (vocabulary.encode(texts[i], false, false) == rows[i]) continue;
    std::cerr << "text " << i << " is encoded to other tokens: " << texts[i] << '\n';
    ++wrong;
  }
  CHECK_EQUAL(wrong, 0);

  // What every vocabulary owes: pieces for all tokens, and ends that are its own.
  for (llama_token token = 0; token < vocabulary.size(); ++token) vocabulary.piece(token, true);
  for (const llama_token token : vocabulary.end_tokens()) CHECK(vocabulary.contains(token));
}
