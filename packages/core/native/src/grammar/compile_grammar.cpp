#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "mobillm/grammar/grammar_limits.hpp"
#include "mobillm/grammar/grammar_program.hpp"
#include "mobillm/grammar/grammar_syntax.hpp"

namespace mobillm {

namespace {

using NodeId = GrammarProgram::NodeId;
using Kind = GrammarProgram::Kind;
using Edge = GrammarProgram::Edge;

// Characters of one length in UTF-8: the range of the byte at each place, first one first. All that
// the ranges allow together are characters of the class.
struct ByteRanges {
  std::uint8_t low[4];
  std::uint8_t high[4];
  int length;
};

std::uint8_t encode(char32_t point, int length, std::uint8_t out[4]) {
  for (int i = length - 1; i > 0; --i) {
    out[i] = static_cast<std::uint8_t>(0x80 | (point & 0x3F));
    point >>= 6;
  }
  constexpr std::uint8_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  return out[0] = static_cast<std::uint8_t>(kLead[length] | point);
}

// Splits a range until the bytes of each part vary independently of each other.
void split_range(char32_t low, char32_t high, std::vector<ByteRanges>& out) {
  constexpr char32_t kLast[] = {0, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
  int length = 1;
  while (low > kLast[length]) ++length;
  if (high > kLast[length]) {
    split_range(low, kLast[length], out);
    split_range(kLast[length] + 1, high, out);
    return;
  }
  for (int tail = 1; tail < length; ++tail) {
    const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
    if ((low & ~mask) == (high & ~mask)) break;
    if ((low & mask) != 0) {
      split_range(low, low | mask, out);
      split_range((low | mask) + 1, high, out);
      return;
    }
    if ((high & mask) != mask) {
      split_range(low, (high & ~mask) - 1, out);
      split_range(high & ~mask, high, out);
      return;
    }
  }
  ByteRanges part{};
  part.length = length;
  encode(low, length, part.low);
  encode(high, length, part.high);
  out.push_back(part);
}

// Writes rules out from their ends, so that each node knows what follows it.
class Compiler {
 public:
  explicit Compiler(std::string_view source) : source_(source), syntax_(parse_grammar(source)) {}

  GrammarProgram compile() {
    add_node({Kind::kReturn});
    std::vector<NodeId> starts;
    for (const GrammarRule& rule : syntax_.rules) {
      offset_ = rule.offset;
      starts.push_back(compile_item(rule.body, GrammarProgram::kReturn));
      if (rule_of_.size() < program_.nodes.size()) {
        rule_of_.resize(program_.nodes.size(), static_cast<std::uint32_t>(starts.size() - 1));
      }
    }
    for (auto& node : program_.nodes) {
      if (node.kind == Kind::kCall) node.begin = starts[node.begin];
    }
    program_.start = starts[syntax_.root];
    refuse_left_recursion();
    classify_bytes();
    return std::move(program_);
  }

 private:
  [[noreturn]] void fail(std::size_t offset, const std::string& sentence) const {
    throw_grammar_invalid(source_, offset, sentence);
  }

  NodeId add_node(GrammarProgram::Node node) {
    if (program_.nodes.size() == grammar_limits::kNodes) fail(offset_, too_large());
    program_.nodes.push_back(node);
    return static_cast<NodeId>(program_.nodes.size() - 1);
  }

  static std::string too_large() {
    return "the rule that begins here makes the grammar too large; lower its repetitions, or leave "
           "their maximum out";
  }

  NodeId add_bytes(std::span<const Edge> edges) {
    const auto begin = static_cast<std::uint32_t>(program_.edges.size());
    program_.edges.insert(program_.edges.end(), edges.begin(), edges.end());
    return add_node({Kind::kBytes, begin, static_cast<std::uint32_t>(program_.edges.size())});
  }

  NodeId add_split(std::span<const NodeId> targets) {
    const auto begin = static_cast<std::uint32_t>(program_.targets.size());
    program_.targets.insert(program_.targets.end(), targets.begin(), targets.end());
    return add_node({Kind::kSplit, begin, static_cast<std::uint32_t>(program_.targets.size())});
  }

  // The node to begin an item at, behind which `next` follows.
  NodeId compile_item(GrammarItemId id, NodeId next) {
    if (++steps_ > grammar_limits::kCompileSteps) fail(offset_, too_large());
    const GrammarItem& item = syntax_.items[id];
    switch (item.kind) {
      case GrammarItem::Kind::kLiteral:
        for (auto byte = item.literal.rbegin(); byte != item.literal.rend(); ++byte) {
          const auto value = static_cast<std::uint8_t>(*byte);
          const Edge edge{value, value, next};
          next = add_bytes({&edge, 1});
        }
        return next;
      case GrammarItem::Kind::kClass:
        return compile_class(item.ranges, next);
      case GrammarItem::Kind::kReference:
        return add_node({Kind::kCall, item.rule, next});
      case GrammarItem::Kind::kSequence:
        for (auto part = item.parts.rbegin(); part != item.parts.rend(); ++part) {
          next = compile_item(*part, next);
        }
        return next;
      case GrammarItem::Kind::kAlternatives: {
        std::vector<NodeId> targets;
        for (const GrammarItemId part : item.parts) targets.push_back(compile_item(part, next));
        return add_split(targets);
      }
      case GrammarItem::Kind::kRepetition:
        return compile_repetition(item, next);
    }
    return next;
  }

  NodeId compile_repetition(const GrammarItem& item, NodeId next) {
    const GrammarItemId part = item.parts.front();
    NodeId start = next;
    if (item.maximum == GrammarItem::kNoMaximum) {
      const NodeId targets[] = {next, next};
      start = add_split(targets);
      const NodeId body = compile_item(part, start);
      program_.targets[program_.nodes[start].begin] = body;
    } else {
      for (std::uint32_t i = item.minimum; i < item.maximum; ++i) {
        const NodeId targets[] = {compile_item(part, start), next};
        start = add_split(targets);
      }
    }
    for (std::uint32_t i = 0; i < item.minimum; ++i) start = compile_item(part, start);
    return start;
  }

  NodeId compile_class(const std::vector<CodePointRange>& ranges, NodeId next) {
    std::vector<ByteRanges> parts;
    for (const auto& [low, high] : ranges) split_range(low, high, parts);
    return compile_bytes(parts, 0, next);
  }

  // Parts come in the order of their bytes; those with the same byte here share a node.
  NodeId compile_bytes(std::span<const ByteRanges> parts, int place, NodeId next) {
    std::vector<Edge> edges;
    for (std::size_t i = 0; i < parts.size();) {
      const std::uint8_t low = parts[i].low[place];
      const std::uint8_t high = parts[i].high[place];
      std::size_t end = i + 1;
      while (end < parts.size() && parts[end].low[place] == low) ++end;
      const bool last = place + 1 == parts[i].length;
      const NodeId to = last ? next : compile_tail(parts.subspan(i, end - i), place + 1, next);
      if (!edges.empty() && edges.back().next == to && edges.back().high + 1 == low) {
        edges.back().high = high;
      } else {
        edges.push_back({low, high, to});
      }
      i = end;
    }
    return add_bytes(edges);
  }

  // Most tails are any bytes of a character's rest: one node for all of them.
  NodeId compile_tail(std::span<const ByteRanges> parts, int place, NodeId next) {
    const ByteRanges& part = parts.front();
    const int left = part.length - place;
    bool any = parts.size() == 1;
    for (int i = place; any && i < part.length; ++i) {
      any = part.low[i] == 0x80 && part.high[i] == 0xBF;
    }
    if (!any) return compile_bytes(parts, place, next);
    if (tails_next_ != next) {
      tails_next_ = next;
      std::fill(std::begin(tails_), std::end(tails_), GrammarProgram::kReturn);
    }
    NodeId to = next;
    for (int i = 1; i <= left; ++i) {
      if (tails_[i] == GrammarProgram::kReturn) {
        const Edge edge{0x80, 0xBF, to};
        tails_[i] = add_bytes({&edge, 1});
      }
      to = tails_[i];
    }
    return to;
  }

  // Calls `visit` with each node that is reached from this one without a byte, and with whether
  // that enters a rule.
  template <typename Visit>
  void for_each_empty_step(NodeId id, const std::vector<char>& empty, Visit visit) const {
    const GrammarProgram::Node& node = program_.nodes[id];
    if (node.kind == Kind::kSplit) {
      for (std::uint32_t i = node.begin; i < node.end; ++i) visit(program_.targets[i], false);
    } else if (node.kind == Kind::kCall) {
      visit(node.begin, true);
      if (empty[node.begin]) visit(node.end, false);
    }
  }

  // For each node, whether the end of its rule can be reached without a byte.
  std::vector<char> find_empty() const {
    const std::size_t count = program_.nodes.size();
    std::vector<std::vector<NodeId>> waiting(count);
    for (NodeId id = 0; id < count; ++id) {
      const GrammarProgram::Node& node = program_.nodes[id];
      if (node.kind == Kind::kSplit) {
        for (std::uint32_t i = node.begin; i < node.end; ++i) {
          waiting[program_.targets[i]].push_back(id);
        }
      } else if (node.kind == Kind::kCall) {
        waiting[node.begin].push_back(id);
        waiting[node.end].push_back(id);
      }
    }
    std::vector<char> empty(count, 0);
    std::vector<NodeId> found{GrammarProgram::kReturn};
    empty[GrammarProgram::kReturn] = 1;
    while (!found.empty()) {
      const NodeId latest = found.back();
      found.pop_back();
      for (const NodeId id : waiting[latest]) {
        const GrammarProgram::Node& node = program_.nodes[id];
        const bool both = node.kind != Kind::kCall || (empty[node.begin] && empty[node.end]);
        if (empty[id] || !both) continue;
        empty[id] = 1;
        found.push_back(id);
      }
    }
    return empty;
  }

  // A rule that calls itself before a byte was read would do so for ever. Such a call is one within
  // a strongly connected component of the steps that read nothing (Tarjan's algorithm, without
  // recursion).
  void refuse_left_recursion() const {
    const std::vector<char> empty = find_empty();
    const std::size_t count = program_.nodes.size();
    std::vector<std::uint32_t> order(count, 0);  // of discovery, from 1
    std::vector<std::uint32_t> lowest(count, 0);
    std::vector<std::uint32_t> component(count, 0);  // from 1; 0 while open
    std::vector<NodeId> open;
    std::vector<std::pair<NodeId, bool>> path;  // and whether it was entered
    std::uint32_t discovered = 0;
    std::uint32_t components = 0;
    for (NodeId first = 0; first < count; ++first) {
      if (order[first] != 0) continue;
      path.push_back({first, false});
      while (!path.empty()) {
        const auto [id, entered] = path.back();
        if (!entered) {
          if (order[id] != 0) {
            path.pop_back();
            continue;
          }
          path.back().second = true;
          order[id] = lowest[id] = ++discovered;
          open.push_back(id);
          for_each_empty_step(id, empty, [&](NodeId to, bool) {
            if (order[to] == 0) path.push_back({to, false});
          });
          continue;
        }
        path.pop_back();
        for_each_empty_step(id, empty, [&](NodeId to, bool) {
          if (component[to] == 0) lowest[id] = std::min(lowest[id], lowest[to]);
        });
        if (lowest[id] != order[id]) continue;
        ++components;
        NodeId member;
        do {
          member = open.back();
          open.pop_back();
          component[member] = components;
        } while (member != id);
      }
    }
    for (NodeId id = 0; id < count; ++id) {
      for_each_empty_step(id, empty, [&](NodeId to, bool enters) {
        if (!enters || component[id] != component[to]) return;
        const GrammarRule& rule = syntax_.rules[rule_of_[id]];
        fail(rule.offset, "the rule \"" + rule.name +
                              "\" can call itself before it has read anything (left recursion); "
                              "write it with a repetition, as in: item (\",\" item)*");
      });
    }
  }

  void classify_bytes() {
    bool begins[257] = {};
    for (const Edge& edge : program_.edges) {
      begins[edge.low] = true;
      begins[edge.high + 1] = true;
    }
    std::uint32_t current = 0;
    for (int byte = 0; byte < 256; ++byte) {
      if (byte > 0 && begins[byte]) ++current;
      program_.byte_class[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(current);
    }
    program_.byte_classes = current + 1;
  }

  std::string_view source_;
  const GrammarSyntax syntax_;
  GrammarProgram program_;
  std::vector<std::uint32_t> rule_of_;  // by node; of the first node, which is in all, any
  std::size_t offset_ = 0;              // of the rule that is compiled
  std::size_t steps_ = 0;
  NodeId tails_[4] = {};  // by how many bytes are left, for characters before `tails_next_`
  NodeId tails_next_ = GrammarProgram::kReturn;
};

}  // namespace

GrammarProgram compile_grammar(std::string_view source) { return Compiler(source).compile(); }

}  // namespace mobillm
