#include "speed_probe.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "library_log.hpp"
#include "model_header.hpp"
#include "open_error.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

// A conversation of some turns: attention is a part of what a step takes, and not all of it.
constexpr std::uint32_t kDepthTokens = 512;
constexpr std::uint32_t kStepTokens = 128;
// Behind which thread counts are compared: where attention is next to nothing.
constexpr std::uint32_t kShallowTokens = 32;
// Room for the tokens that are decoded while it is measured.
constexpr std::uint32_t kContextTokens = kDepthTokens + 256;
// Of all counts of threads, and of filling a context each time.
constexpr Milliseconds kThreadsBudget{2000};
constexpr Milliseconds kFillBudget{1000};
constexpr int kMostRounds = 4;
constexpr int kStepsARound = 4;
// Where a step takes longer, fewer of them have to do.
constexpr Milliseconds kSlowStep{200};
constexpr int kDecodeSteps = 8;
constexpr int kAttentionRounds = 2;
// What a conversation is taken to be: a prompt, and then so many turns of a short message, computed
// in one step, and an answer.
constexpr double kPromptTokens = 512;
constexpr std::uint32_t kMessageTokens = 16;
constexpr double kAnswerTokens = 128;
constexpr double kTurns = 4;
// How often the step of a short message is measured.
constexpr int kMessageSteps = 3;
// Differences below these are none.
constexpr double kSameSpeed = 1.03;
constexpr double kWorthOtherKind = 0.95;

ContextOptions probe_options(const ContextOptions& options) {
  ContextOptions own = options;
  own.context_tokens = kContextTokens;
  own.pool_tokens = 0;
  own.sequences = 1;
  own.batch_tokens = std::min(options.batch_tokens, kStepTokens);
  own.scores_texts = false;
  own.observer = nullptr;
  return own;
}

void keep_least(double& least, double milliseconds) { least = std::min(least, milliseconds); }

constexpr double kNever = std::numeric_limits<double>::infinity();

// Least times of one kind of attention.
struct StepTimes {
  double prompt_token_ms = kNever;
  double message_ms = kNever;
  double answer_token_ms = kNever;

  // The first message is a part of the prompt.
  double conversation_ms() const {
    return kPromptTokens * prompt_token_ms + (kTurns - 1) * message_ms +
           kTurns * kAnswerTokens * answer_token_ms;
  }
};

// Fills a context, and computes short messages and tokens of answers behind that. `depth` is how
// far it gets within its budget the first time, and how far it goes then.
bool measure_steps(const ProbeSubject& subject, llama_flash_attn_type flash, int threads,
                   std::uint32_t& depth, StepTimes& times) {
  SpeedProbe probe(subject, flash);
  probe.use_threads(threads);
  const std::uint32_t step = probe_options(subject.options).batch_tokens;
  const auto start = Clock::now();
  const std::uint32_t goal = depth == 0 ? kDepthTokens : depth;
  while (probe.tokens() < goal) {
    const std::uint32_t tokens = std::min(step, goal - probe.tokens());
    const auto took = probe.compute(tokens);
    if (!took) return false;
    keep_least(times.prompt_token_ms, *took / tokens);
    if (depth == 0 && Clock::now() - start > kFillBudget) break;
  }
  depth = probe.tokens();
  for (int i = 0; i < kMessageSteps; ++i) {
    const auto took = probe.compute(std::min(step, kMessageTokens));
    if (!took) return false;
    keep_least(times.message_ms, *took);
  }
  for (int i = 0; i < kDecodeSteps; ++i) {
    const auto took = probe.compute(1);
    if (!took) return false;
    keep_least(times.answer_token_ms, *took);
  }
  return true;
}

}  // namespace

bool affords_probe(const ProbeSubject& subject) {
  const auto available = available_memory_bytes();
  if (!available) return true;
  const ContextOptions options = probe_options(subject.options);
  return kv_cache_formula(subject.model, options) + compute_formula(subject.model, options) <
         *available / 8;
}

SpeedProbe::SpeedProbe(const ProbeSubject& subject, llama_flash_attn_type flash_attention)
    : subject_(subject) {
  ContextOptions options = probe_options(subject.options);
  options.flash_attention = flash_attention;
  const LogCapture log;
  llama_context_params params = to_params(subject.model, options);
  params.abort_callback = [](void* data) {
    return static_cast<const SpeedProbe*>(data)->subject_.interrupted();
  };
  params.abort_callback_data = this;
  context_.reset(llama_init_from_model(subject.model, params));
  if (context_ == nullptr) throw context_failed(log.last_error());
  threads_.add(context_.get());
}

SpeedProbe::~SpeedProbe() { threads_.remove(context_.get()); }

std::optional<double> SpeedProbe::compute(std::uint32_t tokens) {
  if (tokens_ + tokens > kContextTokens || subject_.interrupted()) return std::nullopt;
  // Different tokens, as a text has them; which ones makes no difference to what a step takes.
  const auto vocabulary =
      static_cast<std::uint32_t>(llama_vocab_n_tokens(llama_model_get_vocab(subject_.model)));
  std::vector<llama_token> row(tokens);
  for (std::uint32_t i = 0; i < tokens; ++i) {
    row[i] = static_cast<llama_token>((std::uint64_t{tokens_} + i + 1) * 7919 % vocabulary);
  }
  const auto start = Clock::now();
  const std::int32_t status =
      llama_decode(context_.get(), llama_batch_get_one(row.data(), static_cast<int>(tokens)));
  if (status != 0) return std::nullopt;
  tokens_ += tokens;
  return Milliseconds(Clock::now() - start).count();
}

std::optional<int> measure_threads(const ProbeSubject& subject, llama_flash_attn_type flash,
                                   const std::vector<int>& counts) {
  SpeedProbe probe(subject, flash);
  probe.use_threads(counts.front());
  const auto first =
      probe.compute(std::min(kShallowTokens, probe_options(subject.options).batch_tokens));
  const auto second = probe.compute(1);
  if (!first || !second) return std::nullopt;
  const int steps = Milliseconds(*second) < kSlowStep ? kStepsARound : 2;
  std::vector<double> least(counts.size(), kNever);
  const auto start = Clock::now();
  // In turns, so that what happens meanwhile happens to all of them.
  for (int round = 0; round < kMostRounds; ++round) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      probe.use_threads(counts[i]);
      for (int step = 0; step < steps; ++step) {
        const auto took = probe.compute(1);
        if (!took) return std::nullopt;
        // The first one waits for its threads to begin.
        if (step > 0) keep_least(least[i], *took);
      }
    }
    if (Clock::now() - start > kThreadsBudget) break;
  }
  return choose_count(counts, least);
}

std::optional<AttentionTimes> measure_attention(const ProbeSubject& subject, int threads) {
  StepTimes blocks;
  StepTimes matrix;
  std::uint32_t depth = 0;
  for (int round = 0; round < kAttentionRounds; ++round) {
    if (!measure_steps(subject, LLAMA_FLASH_ATTN_TYPE_ENABLED, threads, depth, blocks) ||
        !measure_steps(subject, LLAMA_FLASH_ATTN_TYPE_DISABLED, threads, depth, matrix)) {
      return std::nullopt;
    }
  }
  return AttentionTimes{blocks.conversation_ms(), matrix.conversation_ms()};
}

int choose_count(const std::vector<int>& counts, const std::vector<double>& milliseconds) {
  const double best = *std::ranges::min_element(milliseconds);
  int chosen = std::numeric_limits<int>::max();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (milliseconds[i] <= kSameSpeed * best) chosen = std::min(chosen, counts[i]);
  }
  return chosen;
}

bool choose_blocks(const AttentionTimes& times) {
  return times.with_blocks_ms < kWorthOtherKind * times.with_matrix_ms;
}

}  // namespace mobillm::llamacpp
