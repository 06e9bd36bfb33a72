// Compares a vocabulary with llama.cpp's own test vectors: `<file>.inp` holds texts and
// `<file>.out` the tokens of each on a line.

#include "vocabulary.hpp"

#include <llama.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "encode_batch.hpp"
#include "library_log.hpp"
#include "mobillm/error.hpp"
#include "vocabulary_files.hpp"

using mobillm::AbortFlag;
using mobillm::Error;
using mobillm::InvalidArgument;
using mobillm::llamacpp::encode_batch;
using mobillm::llamacpp::TokenRows;
using mobillm::llamacpp::Vocabulary;
using mobillm::test::read_file;

namespace {

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

// UTF-8 to UTF-16.
std::u16string to_utf16(const std::string& text) {
  std::u16string units;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i++]);
    const int tail = byte < 0x80 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    auto point = static_cast<char32_t>(tail == 0 ? byte : byte & (0x3F >> tail));
    for (int k = 0; k < tail; ++k) {
      point = (point << 6) | (static_cast<unsigned char>(text[i++]) & 0x3F);
    }
    if (point < 0x10000) {
      units.push_back(static_cast<char16_t>(point));
    } else {
      units.push_back(static_cast<char16_t>(0xD800 + ((point - 0x10000) >> 10)));
      units.push_back(static_cast<char16_t>(0xDC00 + ((point - 0x10000) & 0x3FF)));
    }
  }
  return units;
}

// Many texts on several threads give what each gives alone, in their order.
void check_batch(const Vocabulary& vocabulary, const std::vector<std::string>& texts) {
  std::vector<std::u16string> many;
  std::vector<std::string> bytes;
  for (std::size_t i = 0; i < 1000; ++i) {
    bytes.push_back(texts[i % texts.size()]);
    many.push_back(to_utf16(bytes.back()));
  }
  const AbortFlag calm;
  const auto encode = [&](const std::vector<std::u16string>& batch, const AbortFlag& abort,
                          const AbortFlag& closing) {
    return encode_batch(vocabulary, batch, {}, 3, abort, closing);
  };
  const TokenRows rows = encode(many, calm, calm);
  CHECK_EQUAL(rows.ends.size(), many.size());
  std::size_t start = 0;
  for (std::size_t i = 0; i < many.size(); ++i) {
    const auto end = static_cast<std::size_t>(rows.ends[i]);
    const std::vector<llama_token> row(rows.tokens.begin() + static_cast<std::ptrdiff_t>(start),
                                       rows.tokens.begin() + static_cast<std::ptrdiff_t>(end));
    CHECK(row == vocabulary.encode(bytes[i], false, false));
    start = end;
  }
  CHECK_EQUAL(start, rows.tokens.size());

  CHECK(encode({}, calm, calm).ends.empty());
  AbortFlag stop;
  stop.set();
  CHECK_THROWS(Error, encode(many, stop, calm),
               CHECK_EQUAL(error.code(), std::string(mobillm::code::kAborted)));
  CHECK_THROWS(Error, encode(many, calm, stop),
               CHECK_EQUAL(error.code(), std::string(mobillm::code::kAborted)));
  // The first of two that are wrong is named, whoever finds his first.
  many[300] = many[900] = u"half \xD83D";
  CHECK_THROWS(InvalidArgument, encode(many, calm, calm),
               CHECK(std::string(error.what()).find("texts[300]") != std::string::npos));
}

}  // namespace

int main(int argc, char** argv) {
  CHECK_EQUAL(argc, 2);
  const std::string path = argv[1];
  mobillm::llamacpp::install_library_log();
  const auto model = mobillm::test::load_vocabulary(path);
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

  check_batch(vocabulary, texts);

  // What every vocabulary owes: pieces for all tokens, and ends that are its own.
  for (llama_token token = 0; token < vocabulary.size(); ++token) vocabulary.piece(token, true);
  for (const llama_token token : vocabulary.end_tokens()) CHECK(vocabulary.contains(token));
}
