#include "sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

LlamaSampler::LlamaSampler(const SamplingOptions& options, std::int32_t vocabulary_size,
                           std::span<const Token> history)
    : vocabulary_size_(vocabulary_size) {
  llama_sampler_chain_params params = llama_sampler_chain_default_params();
  params.no_perf = true;
  chain_.reset(llama_sampler_chain_init(params));
  // The chain owns what is added to it.
  const auto add = [&](llama_sampler* sampler) { llama_sampler_chain_add(chain_.get(), sampler); };

  if (!options.logit_bias.empty()) {
    std::vector<llama_logit_bias> biases;
    for (const auto& [token, bias] : options.logit_bias) biases.push_back({token, bias});
    add(llama_sampler_init_logit_bias(vocabulary_size, static_cast<std::int32_t>(biases.size()),
                                      biases.data()));
  }
  if (options.penalizes()) {
    add(llama_sampler_init_penalties(vocabulary_size, options.penalty_last_tokens,
                                     options.repeat_penalty, options.frequency_penalty,
                                     options.presence_penalty));
  }
  if (options.temperature <= 0) {
    add(llama_sampler_init_greedy());
  } else {
    if (options.top_k > 0) add(llama_sampler_init_top_k(options.top_k));
    if (options.top_p < 1) add(llama_sampler_init_top_p(options.top_p, 1));
    if (options.min_p > 0) add(llama_sampler_init_min_p(options.min_p, 1));
    if (options.temperature != 1) add(llama_sampler_init_temp(options.temperature));
    add(llama_sampler_init_dist(options.seed));
  }
  if (options.penalizes()) {
    const auto looked_at =
        std::min(history.size(), static_cast<std::size_t>(options.penalty_last_tokens));
    for (const Token token : history.last(looked_at)) llama_sampler_accept(chain_.get(), token);
  }
  candidates_.resize(static_cast<std::size_t>(vocabulary_size));
}

Token LlamaSampler::sample(const float* logits) {
  for (llama_token token = 0; token < vocabulary_size_; ++token) {
    candidates_[static_cast<std::size_t>(token)] = {token, logits[token], 0.0f};
  }
  llama_token_data_array row{candidates_.data(), candidates_.size(), -1, false};
  llama_sampler_apply(chain_.get(), &row);
  kept_ = row.size;
  const bool chosen = row.selected >= 0 && row.selected < static_cast<std::int64_t>(row.size);
  const llama_token token = chosen ? row.data[row.selected].id : LLAMA_TOKEN_NULL;
  // Comparisons with what is no number are all false, so the samplers end up anywhere; as they do
  // where every token is forbidden.
  if (!chosen || std::isnan(logits[token]) ||
      row.data[row.selected].logit == -std::numeric_limits<float>::infinity()) {
    throw Error(code::kNativeFailure,
                "No token can be chosen: the model's logits are no numbers, or the biases forbid "
                "every token. Without biases the file may be damaged; verify its sha256.");
  }
  return token;
}

void LlamaSampler::accept(Token token) { llama_sampler_accept(chain_.get(), token); }

}  // namespace mobillm::llamacpp
