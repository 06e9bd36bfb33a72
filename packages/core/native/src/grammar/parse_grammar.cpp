#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_limits.hpp"
#include "mobillm/grammar/grammar_syntax.hpp"
#include "mobillm/utf8.hpp"

namespace mobillm {

namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || is_digit(c);
}

bool is_surrogate(char32_t point) { return point >= 0xD800 && point <= 0xDFFF; }

// Sorted, with those that touch joined, without surrogates: UTF-8 cannot spell them.
std::vector<CodePointRange> normalized(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> scalars;
  for (const auto& [low, high] : ranges) {
    if (low < 0xD800) scalars.push_back({low, std::min<char32_t>(high, 0xD7FF)});
    if (high > 0xDFFF) scalars.push_back({std::max<char32_t>(low, 0xE000), high});
  }
  std::ranges::sort(scalars, {}, &CodePointRange::low);
  std::vector<CodePointRange> joined;
  for (const auto& range : scalars) {
    if (!joined.empty() && range.low <= joined.back().high + 1) {
      joined.back().high = std::max(joined.back().high, range.high);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::vector<CodePointRange> complement(const std::vector<CodePointRange>& ranges) {
  std::vector<CodePointRange> others;
  char32_t next = 0;
  for (const auto& [low, high] : ranges) {
    if (low > next) others.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLastCodePoint) others.push_back({next, kLastCodePoint});
  return normalized(std::move(others));
}

// Recursive descent; `kDepth` bounds the recursion.
class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  GrammarSyntax parse() {
    if (source_.size() > grammar_limits::kSourceBytes) {
      fail(0, "it is longer than " + std::to_string(grammar_limits::kSourceBytes) +
                  " bytes; make it shorter");
    }
    skip_space(true);
    while (!at_end()) parse_rule();
    finish();
    return std::move(syntax_);
  }

 private:
  [[noreturn]] void fail(std::size_t offset, const std::string& sentence) const {
    throw_grammar_invalid(source_, offset, sentence);
  }

  bool at_end() const { return position_ == source_.size(); }
  // NUL at the end.
  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < source_.size() ? source_[position_ + ahead] : '\0';
  }
  bool take(char c) {
    if (at_end() || source_[position_] != c) return false;
    ++position_;
    return true;
  }

  // What stands here, for a sentence.
  std::string found() const {
    if (at_end()) return "the grammar ends here";
    const char c = peek();
    if (c == '\n' || c == '\r') return "the line ends here";
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) {
      return "there is another character";
    }
    return std::string("there is '") + c + '\'';
  }

  void skip_space(bool newlines) {
    for (;;) {
      const char c = peek();
      if (at_end()) return;
      if (c == '#') {
        while (!at_end() && peek() != '\n' && peek() != '\r') ++position_;
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        ++position_;
      } else {
        return;
      }
    }
  }

  std::string take_name() {
    const std::size_t start = position_;
    while (is_name_character(peek())) ++position_;
    return std::string(source_.substr(start, position_ - start));
  }

  std::uint32_t rule_named(std::string name, std::size_t offset) {
    const auto [found, added] =
        rule_ids_.try_emplace(name, static_cast<std::uint32_t>(syntax_.rules.size()));
    if (added) {
      if (syntax_.rules.size() == grammar_limits::kRules) {
        fail(offset, "it has more than " + std::to_string(grammar_limits::kRules) + " rules");
      }
      syntax_.rules.push_back({std::move(name), offset});
    }
    return found->second;
  }

  // name ::= alternatives, to the end of the line.
  void parse_rule() {
    const std::size_t start = position_;
    const std::string name = take_name();
    if (name.empty()) fail(start, "a rule has to begin with its name here, but " + found());
    const std::uint32_t rule = rule_named(name, start);
    skip_space(false);
    if (source_.substr(position_, 3) != "::=") {
      fail(position_, "\"::=\" has to follow the name \"" + name + "\", but " + found());
    }
    position_ += 3;
    skip_space(true);
    const GrammarItemId body = parse_alternatives(0);
    if (!at_end() && peek() != '\n' && peek() != '\r') {
      fail(position_, "the rule \"" + name + "\" has to go on or end here, but " + found());
    }
    if (syntax_.rules[rule].defined) fail(start, "the rule \"" + name + "\" is defined twice");
    syntax_.rules[rule].defined = true;
    syntax_.rules[rule].body = body;
    skip_space(true);
  }

  GrammarItemId add(GrammarItem item, std::size_t offset) {
    for (const GrammarItemId part : item.parts) {
      item.depth = std::max(item.depth, syntax_.items[part].depth + 1);
    }
    // A group is a sequence of alternatives of sequences.
    if (item.depth > 4 * grammar_limits::kDepth) fail(offset, too_deep());
    if (syntax_.items.size() == grammar_limits::kNodes) fail(offset, "it has too many parts");
    syntax_.items.push_back(std::move(item));
    return static_cast<GrammarItemId>(syntax_.items.size() - 1);
  }

  static std::string too_deep() {
    return "groups and repetitions are more than " + std::to_string(grammar_limits::kDepth) +
           " deep inside each other; give the inner ones rules of their own";
  }

  GrammarItemId parse_alternatives(std::uint32_t depth) {
    const std::size_t start = position_;
    std::vector<GrammarItemId> parts{parse_sequence(depth)};
    while (take('|')) {
      skip_space(true);
      parts.push_back(parse_sequence(depth));
    }
    if (parts.size() == 1) return parts.front();
    GrammarItem item;
    item.kind = GrammarItem::Kind::kAlternatives;
    item.parts = std::move(parts);
    return add(std::move(item), start);
  }

  GrammarItemId parse_sequence(std::uint32_t depth) {
    const std::size_t start = position_;
    GrammarItem sequence;
    for (;;) {
      const std::size_t offset = position_;
      std::optional<GrammarItem> item = parse_item(depth);
      if (item) {
        sequence.parts.push_back(add(std::move(*item), offset));
      } else if (!parse_repetition(sequence.parts)) {
        break;
      }
      skip_space(depth > 0);
    }
    if (sequence.parts.size() == 1) return sequence.parts.front();
    return add(std::move(sequence), start);
  }

  // Nothing where a sequence ends, or a repetition comes.
  std::optional<GrammarItem> parse_item(std::uint32_t depth) {
    const std::size_t start = position_;
    GrammarItem item;
    const char c = peek();
    if (at_end()) return std::nullopt;
    if (c == '"') {
      item.kind = GrammarItem::Kind::kLiteral;
      item.literal = parse_literal();
    } else if (c == '[') {
      item.kind = GrammarItem::Kind::kClass;
      item.ranges = parse_class();
    } else if (c == '.') {
      ++position_;
      item.kind = GrammarItem::Kind::kClass;
      item.ranges = complement({});
    } else if (c == '(') {
      if (depth == grammar_limits::kDepth) fail(start, too_deep());
      ++position_;
      skip_space(true);
      item.parts = {parse_alternatives(depth + 1)};
      if (!take(')')) {
        fail(position_, "\")\" has to close the group " + place(start) + ", but " + found());
      }
    } else if (is_name_character(c)) {
      item.kind = GrammarItem::Kind::kReference;
      item.rule = rule_named(take_name(), start);
    } else if (c == '<' || c == '!') {
      fail(start, "single tokens cannot be named in a grammar; write the text that they stand for");
    } else {
      return std::nullopt;
    }
    return item;
  }

  // Applies `*`, `+`, `?` or `{…}` to the latest part; false where there is none.
  bool parse_repetition(std::vector<GrammarItemId>& parts) {
    const std::size_t start = position_;
    GrammarItem repetition;
    repetition.kind = GrammarItem::Kind::kRepetition;
    if (take('*')) {
    } else if (take('+')) {
      repetition.minimum = 1;
    } else if (take('?')) {
      repetition.maximum = 1;
    } else if (take('{')) {
      parse_counts(repetition);
    } else {
      return false;
    }
    if (parts.empty()) fail(start, "there is nothing before this repetition to be repeated");
    repetition.parts = {parts.back()};
    parts.back() = add(std::move(repetition), start);
    return true;
  }

  void parse_counts(GrammarItem& repetition) {
    const std::size_t start = position_ - 1;
    skip_space(true);
    repetition.minimum = parse_count();
    repetition.maximum = repetition.minimum;
    skip_space(true);
    if (take(',')) {
      skip_space(true);
      repetition.maximum = is_digit(peek()) ? parse_count() : GrammarItem::kNoMaximum;
      skip_space(true);
    }
    if (!take('}')) {
      fail(position_, "\"}\" has to close the repetition " + place(start) + ", but " + found());
    }
    if (repetition.maximum < repetition.minimum) {
      fail(start, "a repetition from " + std::to_string(repetition.minimum) + " to " +
                      std::to_string(repetition.maximum) + " times cannot be");
    }
  }

  std::uint32_t parse_count() {
    const std::size_t start = position_;
    std::uint64_t count = 0;
    while (is_digit(peek())) {
      count = count * 10 + static_cast<std::uint64_t>(peek() - '0');
      if (count > grammar_limits::kRepetitions) {
        fail(start, "at most " + std::to_string(grammar_limits::kRepetitions) +
                        " repetitions can be counted; leave the maximum out, as in {1,}");
      }
      ++position_;
    }
    if (position_ == start) fail(start, "a number has to stand here, but " + found());
    return static_cast<std::uint32_t>(count);
  }

  std::string parse_literal() {
    const std::size_t start = position_++;
    std::u16string units;
    std::string literal;
    while (!take('"')) {
      if (at_end()) fail(start, "this text is not closed by a quotation mark");
      const std::size_t offset = position_;
      char32_t point = parse_character();
      // A pair of escapes that spells one character, as in JSON.
      if (point >= 0xD800 && point < 0xDC00 && peek() == '\\' && peek(1) == 'u') {
        const char32_t low = parse_character();
        if (low >= 0xDC00 && low <= 0xDFFF) {
          point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        }
      }
      if (is_surrogate(point)) fail(offset, "this is half of a surrogate pair and no character");
      append_utf8(literal, point);
    }
    return literal;
  }

  std::vector<CodePointRange> parse_class() {
    const std::size_t start = position_++;
    const bool negated = take('^');
    std::vector<CodePointRange> ranges;
    while (!take(']')) {
      if (at_end()) fail(start, "this class of characters is not closed by \"]\"");
      const std::size_t offset = position_;
      CodePointRange range{parse_character(), 0};
      range.high = range.low;
      if (peek() == '-' && peek(1) != ']') {
        ++position_;
        if (at_end()) fail(start, "this class of characters is not closed by \"]\"");
        range.high = parse_character();
        if (range.high < range.low)
          fail(offset, "the end of this range comes before its beginning");
      }
      ranges.push_back(range);
    }
    ranges = normalized(std::move(ranges));
    if (negated) ranges = complement(ranges);
    if (ranges.empty()) fail(start, "this class holds no character");
    return ranges;
  }

  char32_t parse_character() {
    const std::size_t start = position_;
    if (take('\\')) return parse_escape(start);
    const auto first = static_cast<unsigned char>(source_[position_++]);
    const int tail = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    char32_t point = tail == 0 ? first : first & (0x3F >> tail);
    for (int i = 0; i < tail; ++i) {
      const auto next = static_cast<unsigned char>(peek());
      if ((next & 0xC0) != 0x80) fail(start, "this is no UTF-8");
      point = (point << 6) | (next & 0x3F);
      ++position_;
    }
    if ((first >= 0x80 && first < 0xC2) || point > kLastCodePoint) fail(start, "this is no UTF-8");
    return point;
  }

  char32_t parse_escape(std::size_t start) {
    if (at_end()) fail(start, "an escape has to go on after \"\\\", but the grammar ends here");
    const char c = source_[position_++];
    switch (c) {
      case 'x':
        return parse_hexadecimal(start, 2);
      case 'u':
        return parse_hexadecimal(start, 4);
      case 'U':
        return parse_hexadecimal(start, 8);
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
        return static_cast<char32_t>(c);
      default:
        fail(start,
             "this escape is not known; there are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\xNN \\uNNNN "
             "\\UNNNNNNNN");
    }
  }

  char32_t parse_hexadecimal(std::size_t start, int digits) {
    char32_t point = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!is_digit(c) && !letter) {
        fail(start, "this escape has to have " + std::to_string(digits) + " hexadecimal digits");
      }
      point = (point << 4) | static_cast<char32_t>(letter ? (c | 0x20) - 'a' + 10 : c - '0');
      ++position_;
    }
    if (point > kLastCodePoint) fail(start, "there is no character of this number");
    return point;
  }

  // Every rule that is mentioned is defined, and there is one to begin with.
  void finish() {
    for (const GrammarRule& rule : syntax_.rules) {
      if (!rule.defined) fail(rule.offset, "there is no rule \"" + rule.name + "\"");
    }
    const auto root = rule_ids_.find("root");
    if (root == rule_ids_.end()) {
      fail(0, "it has no rule \"root\", which the text has to match; define one");
    }
    syntax_.root = root->second;
  }

  std::string place(std::size_t offset) const {
    const auto line =
        std::count(source_.begin(), source_.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
    return "that begins in line " + std::to_string(line + 1);
  }

  std::string_view source_;
  std::size_t position_ = 0;
  GrammarSyntax syntax_;
  std::unordered_map<std::string, std::uint32_t> rule_ids_;
};

}  // namespace

void throw_grammar_invalid(std::string_view source, std::size_t offset,
                           const std::string& sentence) {
  const std::string_view before = source.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // 0 where there is none
  const auto line = std::ranges::count(before, '\n') + 1;
  const auto column =
      std::ranges::count_if(before.substr(line_start),
                            [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }) +
      1;
  throw Error(code::kGrammarInvalid,
              "The grammar is not valid in line " + std::to_string(line) + ", column " +
                  std::to_string(column) + ": " + sentence + ".",
              {{"line", static_cast<double>(line)}, {"column", static_cast<double>(column)}});
}

GrammarSyntax parse_grammar(std::string_view source) { return Parser(source).parse(); }

}  // namespace mobillm
