// Runs a compiled grammar over bytes. What is worked out once is kept, so that a byte mostly costs
// one look into a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mobillm/grammar/grammar_program.hpp"

namespace mobillm {

// A pushdown automaton that is made deterministic as it goes: a state is the set of all readings
// that the bytes so far allow, each a node and the stack of the rules that wait for it. Stacks
// share what they have in common. For one thread.
class GrammarAutomaton {
 public:
  using StateId = std::int32_t;

  // No text that begins so matches.
  static constexpr StateId kDead = -1;

  explicit GrammarAutomaton(GrammarProgram program);
  GrammarAutomaton(const GrammarAutomaton&) = delete;
  GrammarAutomaton& operator=(const GrammarAutomaton&) = delete;

  StateId start() const { return start_; }

  // The state after one more byte; `state` is not kDead. Throws GRAMMAR_INVALID where the grammar
  // has more readings than can be followed.
  StateId step(StateId state, std::uint8_t byte) {
    const StateId known = transitions_[row(state) + program_.byte_class[byte]];
    return known != kUnknown ? known : find_step(state, byte);
  }

  // Whether the text may end here.
  bool can_end(StateId state) const { return states_[index(state)].can_end; }
  // Whether it has to.
  bool must_end(StateId state) const;

  // Keeps a state through `tidy`, until it is given back as often.
  void keep(StateId state) {
    if (state != kDead) ++states_[index(state)].keepers;
  }
  void give_back(StateId state) noexcept {
    if (state != kDead) --states_[index(state)].keepers;
  }

  // To be called before each piece of work, when no state is in use that nobody keeps: forgets the
  // others when they take too much memory, and grants new work. Throws GRAMMAR_INVALID where the
  // pieces so far took too much: it would go on, and other sessions wait for each.
  void tidy();

  // A set of tokens that belongs to a state, one bit each; forgotten with the state, or earlier.
  const std::vector<std::uint64_t>* token_set(StateId state) const {
    return states_[index(state)].tokens.get();
  }
  const std::vector<std::uint64_t>& keep_token_set(StateId state,
                                                   std::vector<std::uint64_t> tokens);

  // Bytes of all states, about. For tests.
  std::size_t memory_bytes() const { return memory_bytes_; }

 private:
  using NodeId = GrammarProgram::NodeId;
  using FrameId = std::uint32_t;
  // A node and the stack below it, in one number.
  using Reading = std::uint64_t;

  static constexpr StateId kUnknown = -2;
  // States are forgotten beyond this; a text that goes deeper and deeper makes new ones.
  static constexpr std::size_t kMemoryBytes = std::size_t{8} << 20;
  static constexpr FrameId kBottom = 0;

  // The top of a stack: where its rule goes on, and what lies below.
  struct Frame {
    NodeId next = 0;
    FrameId below = kBottom;
    bool used = false;
  };
  struct State {
    const std::vector<Reading>* readings = nullptr;  // null: free
    bool can_end = false;
    std::uint32_t keepers = 0;
    std::unique_ptr<std::vector<std::uint64_t>> tokens;
  };
  struct HashReadings {
    std::size_t operator()(const std::vector<Reading>& readings) const noexcept;
  };

  static std::size_t index(StateId state) { return static_cast<std::size_t>(state); }
  std::size_t row(StateId state) const { return index(state) * program_.byte_classes; }
  static Reading reading(NodeId node, FrameId frame) { return (Reading{node} << 32) | frame; }

  StateId find_step(StateId state, std::uint8_t byte);
  // Adds what is reached from a reading without a byte, up to nodes that want one.
  void reach(Reading reading);
  // The state of the readings in `reached_`.
  StateId state_of_reached();
  FrameId push(NodeId next, FrameId below);
  void spend(std::uint64_t cost);
  std::size_t bytes_of(const State& state) const;
  void forget_steps(StateId state);
  void forget_states();
  void forget_frames();
  void forget_token_sets();

  const GrammarProgram program_;
  std::vector<State> states_;
  std::vector<StateId> free_states_;
  std::vector<StateId> transitions_;  // a row a state, one number a class of bytes
  std::unordered_map<std::vector<Reading>, StateId, HashReadings> state_ids_;
  std::vector<Frame> frames_;
  std::vector<FrameId> free_frames_;
  std::unordered_map<std::uint64_t, FrameId> frame_ids_;
  StateId start_ = kDead;

  std::size_t memory_bytes_ = 0;
  std::size_t most_memory_bytes_ = kMemoryBytes;
  std::size_t token_set_bytes_ = 0;
  std::uint64_t cost_ = 0;         // since the last `tidy`
  std::uint64_t cost_beyond_ = 0;  // of what was before, what was more than each may cost

  // Scratch.
  std::vector<Reading> reached_;
  std::vector<Reading> todo_;
  std::unordered_set<Reading> seen_;
};

// How far a text has come in a grammar. A copy costs a few counts, so that texts may be tried.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<GrammarAutomaton> automaton);
  GrammarMatcher(const GrammarMatcher& other);
  GrammarMatcher& operator=(const GrammarMatcher& other);
  ~GrammarMatcher();

  // Whether the text can go on by these bytes; it stays as it is.
  bool allows(std::span<const std::uint8_t> bytes) const;
  // Goes on by these bytes, and returns true; false, where it stays, if it cannot.
  bool accept(std::span<const std::uint8_t> bytes);

  bool can_end() const { return automaton_->can_end(state_); }
  bool must_end() const { return automaton_->must_end(state_); }

  GrammarAutomaton& automaton() const { return *automaton_; }
  GrammarAutomaton::StateId state() const { return state_; }

 private:
  GrammarAutomaton::StateId after(std::span<const std::uint8_t> bytes) const;

  std::shared_ptr<GrammarAutomaton> automaton_;
  GrammarAutomaton::StateId state_;
};

}  // namespace mobillm
