#include "mobillm/speculation/prompt_lookup.hpp"

#include <algorithm>

namespace mobillm {

namespace {

// FNV-1a over whole tokens. Two keys of one hash are told apart where the key is looked up.
std::uint64_t hash_of(std::span<const Token> key) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const Token token : key) {
    hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::span<const Token> PromptLookup::guess(std::span<const Token> tokens, std::size_t most) {
  index(tokens);
  for (std::size_t table = 0; table < tables_.size(); ++table) {
    const std::optional<std::size_t> end = find(tokens, table);
    if (end) return tokens.subspan(*end, std::min(most, tokens.size() - *end));
  }
  return {};
}

// What ends the text is left out: it is what is looked for, and nothing follows it yet.
void PromptLookup::index(std::span<const Token> tokens) {
  for (; indexed_ + 1 < tokens.size(); ++indexed_) {
    const std::size_t end = indexed_ + 1;
    for (std::size_t table = 0; table < tables_.size(); ++table) {
      const std::size_t length = kKeyTokens[table];
      if (end >= length) tables_[table][hash_of(tokens.first(end).last(length))] = end;
    }
  }
}

std::optional<std::size_t> PromptLookup::find(std::span<const Token> tokens,
                                              std::size_t table) const {
  const std::size_t length = kKeyTokens[table];
  if (tokens.size() < length) return std::nullopt;
  const std::span<const Token> key = tokens.last(length);
  const auto found = tables_[table].find(hash_of(key));
  if (found == tables_[table].end()) return std::nullopt;
  if (!std::ranges::equal(tokens.first(found->second).last(length), key)) return std::nullopt;
  return found->second;
}

}  // namespace mobillm
