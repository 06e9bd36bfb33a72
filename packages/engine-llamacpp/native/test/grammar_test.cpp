// Core's grammars beside llama.cpp's own over a real vocabulary: on random walks, both let the same
// tokens through. Known differences, each checked for what it is: the library lets special tokens
// through by their spelling, and bytes that are no UTF-8; it refuses the beginning of a character
// where any that begins so is excluded by [^…]; it may end within a character; and it has no token
// with a zero byte.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "grammar_oracle.hpp"
#include "library_log.hpp"
#include "vocabulary.hpp"
#include "vocabulary_files.hpp"

using mobillm::llamacpp::Vocabulary;
using mobillm::test::GrammarOracle;
using mobillm::test::read_file;

namespace {

enum class Utf8 { kWhole, kCut, kNone };

// Whether a text is UTF-8, or its last character is cut.
Utf8 utf8_of(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = at(i);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    if (length == 0) return Utf8::kNone;
    for (std::size_t j = 1; j < length && i + j < text.size(); ++j) {
      const unsigned next = at(i + j);
      const unsigned low = j > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      const unsigned high = j > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
      if (next < low || next > high) return Utf8::kNone;
    }
    i += length;
    if (i > text.size()) return Utf8::kCut;
  }
  return Utf8::kWhole;
}

void walk(const llama_vocab* vocab, const Vocabulary& vocabulary, mobillm::Grammars& grammars,
          const std::string& source, int steps, std::mt19937& random) {
  mobillm::TokenMatcher matcher = grammars.matcher(source);
  GrammarOracle oracle(vocab, source);
  std::string text;
  for (int step = 0; step < steps && !matcher.must_end(); ++step) {
    const std::vector<std::uint64_t> ours = matcher.allowed();
    std::vector<llama_token> both;
    for (const llama_token_data& entry : oracle.apply()) {
      const std::string bytes = vocabulary.piece(entry.id, false);
      const bool mine = mobillm::test::is_in(ours, entry.id);
      const bool theirs = GrammarOracle::allowed(entry);
      if (llama_vocab_is_eog(vocab, entry.id)) {
        CHECK(theirs == matcher.can_end() || (theirs && utf8_of(text) == Utf8::kCut));
      } else if (bytes.empty()) {
        CHECK(!mine);
      } else if (mine != theirs && bytes.find('\0') == std::string::npos) {
        const Utf8 form = utf8_of(text + bytes);
        const bool known = mine ? form == Utf8::kCut && source.find("[^") != std::string::npos
                                : form == Utf8::kNone;
        if (!known) {
          std::cerr << source << "\nafter: " << text << "\ntoken " << entry.id << ": " << bytes
                    << (mine ? " is allowed here only\n" : " is allowed there only\n");
          std::exit(1);
        }
      } else if (mine && theirs) {
        both.push_back(entry.id);
      }
    }
    if (both.empty()) break;
    const llama_token token = both[random() % both.size()];
    text += vocabulary.piece(token, false);
    CHECK(matcher.accept(token));
    oracle.accept(token);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CHECK_EQUAL(argc, 3);
  mobillm::llamacpp::install_library_log();
  const auto model = mobillm::test::load_vocabulary(argv[1]);
  const llama_vocab* vocab = llama_model_get_vocab(model.get());
  const Vocabulary vocabulary(vocab);
  mobillm::Grammars grammars(vocabulary.token_bytes());
  const std::string folder = argv[2];
  std::mt19937 random(1);
  for (const char* name : {"json", "arithmetic", "list", "japanese", "chess", "c"}) {
    const std::string source = read_file(folder + "/" + name + ".gbnf");
    walk(vocab, vocabulary, grammars, source, 12, random);
  }
  for (const char* source : {
           "root ::= [^\"\\\\]{3,40}",
           "root ::= (\"the \" | \"th\" [a-m]+ \" \"?)* \"\\n\"",
           "root ::= .* \"END\"",
           "root ::= [а-яё ]{4,20} [\\u4e00-\\u9fff]+ | \"é\" root",
           "root ::= \"{\\\"name\\\": \\\"\" [A-Z] [a-z]{1,12} \"\\\", \\\"age\\\": \" [1-9] "
           "[0-9]? \"}\"",
       }) {
    for (int i = 0; i < 2; ++i) walk(vocab, vocabulary, grammars, source, 12, random);
  }
}
