#include "mobillm/grammar/grammar_automaton.hpp"

#include <algorithm>
#include <utility>

#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_limits.hpp"

namespace mobillm {

namespace {

constexpr std::size_t kTokenSetBytes = std::size_t{4} << 20;
// What an entry of a hash table costs beside its content.
constexpr std::size_t kEntryBytes = 64;

[[noreturn]] void throw_too_ambiguous() {
  throw Error(code::kGrammarInvalid,
              "The grammar is too ambiguous: one text can be read in more ways than can be "
              "followed. Write it so that the next characters tell which rule applies.");
}

}  // namespace

std::size_t GrammarAutomaton::HashReadings::operator()(
    const std::vector<Reading>& readings) const noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const Reading value : readings) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  return static_cast<std::size_t>(hash);
}

GrammarAutomaton::GrammarAutomaton(GrammarProgram program) : program_(std::move(program)) {
  frames_.push_back({GrammarProgram::kReturn, kBottom, true});
  reach(reading(program_.start, kBottom));
  start_ = state_of_reached();
  keep(start_);
}

bool GrammarAutomaton::must_end(StateId state) const {
  const State& found = states_[index(state)];
  return found.can_end && found.readings->size() == 1;
}

void GrammarAutomaton::spend(std::uint64_t cost) {
  cost_ += cost;
  if (cost_ <= grammar_limits::kCost && reached_.size() <= grammar_limits::kReadings) return;
  throw_too_ambiguous();
}

GrammarAutomaton::StateId GrammarAutomaton::find_step(StateId state, std::uint8_t byte) {
  reached_.clear();
  seen_.clear();
  const std::vector<Reading>& readings = *states_[index(state)].readings;
  spend(readings.size() + 1);
  for (const Reading from : readings) {
    const GrammarProgram::Node& node = program_.nodes[from >> 32];
    for (std::uint32_t i = node.begin; i < node.end; ++i) {
      const GrammarProgram::Edge& edge = program_.edges[i];
      if (byte < edge.low) break;
      if (byte > edge.high) continue;
      reach(reading(edge.next, static_cast<FrameId>(from)));
      break;
    }
  }
  const StateId next = state_of_reached();
  transitions_[row(state) + program_.byte_class[byte]] = next;
  return next;
}

void GrammarAutomaton::reach(Reading first) {
  todo_.assign(1, first);
  while (!todo_.empty()) {
    const Reading current = todo_.back();
    todo_.pop_back();
    if (!seen_.insert(current).second) continue;
    spend(grammar_limits::kReachCost);
    const auto frame = static_cast<FrameId>(current);
    const GrammarProgram::Node& node = program_.nodes[current >> 32];
    switch (node.kind) {
      case GrammarProgram::Kind::kBytes:
        reached_.push_back(current);
        break;
      case GrammarProgram::Kind::kSplit:
        for (std::uint32_t i = node.begin; i < node.end; ++i) {
          todo_.push_back(reading(program_.targets[i], frame));
        }
        break;
      case GrammarProgram::Kind::kCall:
        // A call at the end of a rule needs no way back to it, so a list that is written by
        // recursion takes no more stack the longer it gets.
        todo_.push_back(reading(
            node.begin, node.end == GrammarProgram::kReturn ? frame : push(node.end, frame)));
        break;
      case GrammarProgram::Kind::kReturn:
        if (frame == kBottom) {
          reached_.push_back(current);
        } else {
          todo_.push_back(reading(frames_[frame].next, frames_[frame].below));
        }
        break;
    }
  }
}

GrammarAutomaton::StateId GrammarAutomaton::state_of_reached() {
  if (reached_.empty()) return kDead;
  std::ranges::sort(reached_);
  const auto found = state_ids_.find(reached_);
  if (found != state_ids_.end()) return found->second;
  if (free_states_.empty()) {
    states_.emplace_back();
    transitions_.resize(states_.size() * program_.byte_classes, kUnknown);
    free_states_.push_back(static_cast<StateId>(states_.size() - 1));
  }
  const StateId id = free_states_.back();
  const auto added = state_ids_.emplace(reached_, id).first;
  free_states_.pop_back();
  State& state = states_[index(id)];
  state.readings = &added->first;
  // The end of the outermost rule is the least of all readings.
  state.can_end = reached_.front() == reading(GrammarProgram::kReturn, kBottom);
  forget_steps(id);
  memory_bytes_ += bytes_of(state);
  return id;
}

GrammarAutomaton::FrameId GrammarAutomaton::push(NodeId next, FrameId below) {
  const auto [found, added] = frame_ids_.try_emplace(reading(next, below), 0);
  if (!added) return found->second;
  if (free_frames_.empty()) {
    frames_.emplace_back();
    free_frames_.push_back(static_cast<FrameId>(frames_.size() - 1));
  }
  found->second = free_frames_.back();
  free_frames_.pop_back();
  frames_[found->second] = {next, below, true};
  memory_bytes_ += kEntryBytes + sizeof(Frame);
  return found->second;
}

void GrammarAutomaton::tidy() {
  cost_beyond_ += std::exchange(cost_, 0);
  cost_beyond_ -= std::min(cost_beyond_, grammar_limits::kCostEachTime);
  if (cost_beyond_ > grammar_limits::kCostBeyond) throw_too_ambiguous();
  if (token_set_bytes_ > kTokenSetBytes) forget_token_sets();
  if (memory_bytes_ <= most_memory_bytes_) return;
  memory_bytes_ = 0;
  forget_states();
  forget_frames();
  // What has to be kept may be most of it; to look through all of that again for each token would
  // take longer than the token.
  most_memory_bytes_ = std::max(kMemoryBytes, 2 * memory_bytes_);
}

std::size_t GrammarAutomaton::bytes_of(const State& state) const {
  return kEntryBytes + sizeof(State) + state.readings->size() * sizeof(Reading) +
         program_.byte_classes * sizeof(StateId);
}

void GrammarAutomaton::forget_steps(StateId state) {
  std::fill_n(transitions_.begin() + static_cast<std::ptrdiff_t>(row(state)), program_.byte_classes,
              kUnknown);
}

void GrammarAutomaton::forget_states() {
  for (std::size_t id = 0; id < states_.size(); ++id) {
    State& state = states_[id];
    if (state.readings == nullptr) continue;
    if (state.keepers > 0) {
      // They may lead to one that is forgotten.
      forget_steps(static_cast<StateId>(id));
      memory_bytes_ += bytes_of(state);
      continue;
    }
    if (state.tokens) token_set_bytes_ -= state.tokens->size() * sizeof(std::uint64_t);
    state_ids_.erase(state_ids_.find(*state.readings));
    state = State{};
    free_states_.push_back(static_cast<StateId>(id));
  }
}

void GrammarAutomaton::forget_frames() {
  std::vector<bool> needed(frames_.size(), false);
  needed[kBottom] = true;
  for (const State& state : states_) {
    if (state.readings == nullptr) continue;
    for (const Reading value : *state.readings) {
      for (auto frame = static_cast<FrameId>(value); !needed[frame]; frame = frames_[frame].below) {
        needed[frame] = true;
      }
    }
  }
  for (FrameId id = 0; id < frames_.size(); ++id) {
    Frame& frame = frames_[id];
    if (!frame.used) continue;
    if (needed[id]) {
      memory_bytes_ += kEntryBytes + sizeof(Frame);
      continue;
    }
    frame_ids_.erase(reading(frame.next, frame.below));
    frame = Frame{};
    free_frames_.push_back(id);
  }
}

void GrammarAutomaton::forget_token_sets() {
  for (State& state : states_) state.tokens.reset();
  token_set_bytes_ = 0;
}

const std::vector<std::uint64_t>& GrammarAutomaton::keep_token_set(
    StateId state, std::vector<std::uint64_t> tokens) {
  token_set_bytes_ += tokens.size() * sizeof(std::uint64_t);
  State& owner = states_[index(state)];
  owner.tokens = std::make_unique<std::vector<std::uint64_t>>(std::move(tokens));
  return *owner.tokens;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<GrammarAutomaton> automaton)
    : automaton_(std::move(automaton)), state_(automaton_->start()) {
  automaton_->keep(state_);
}

GrammarMatcher::GrammarMatcher(const GrammarMatcher& other)
    : automaton_(other.automaton_), state_(other.state_) {
  automaton_->keep(state_);
}

GrammarMatcher& GrammarMatcher::operator=(const GrammarMatcher& other) {
  other.automaton_->keep(other.state_);
  automaton_->give_back(state_);
  automaton_ = other.automaton_;
  state_ = other.state_;
  return *this;
}

GrammarMatcher::~GrammarMatcher() { automaton_->give_back(state_); }

bool GrammarMatcher::allows(std::span<const std::uint8_t> bytes) const {
  return after(bytes) != GrammarAutomaton::kDead;
}

bool GrammarMatcher::accept(std::span<const std::uint8_t> bytes) {
  const GrammarAutomaton::StateId next = after(bytes);
  if (next == GrammarAutomaton::kDead) return false;
  automaton_->keep(next);
  automaton_->give_back(state_);
  state_ = next;
  return true;
}

GrammarAutomaton::StateId GrammarMatcher::after(std::span<const std::uint8_t> bytes) const {
  automaton_->tidy();
  GrammarAutomaton::StateId state = state_;
  for (const std::uint8_t byte : bytes) {
    state = automaton_->step(state, byte);
    if (state == GrammarAutomaton::kDead) break;
  }
  return state;
}

}  // namespace mobillm
