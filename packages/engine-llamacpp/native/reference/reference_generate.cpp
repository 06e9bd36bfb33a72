// Generates with llama.cpp alone, as its own examples do, sharing no code with the engine: what the
// engine must equal token for token, and what it must not be slower than.
//
//   reference_generate <model.gguf> [--context N] [--batch N] [--threads N]
//                      [--flash-attention auto|on|off] [--temperature F --seed N]
//
// Reads one job a line from standard input, `<tokens to sample> <prompt token> <prompt token> …`,
// and answers each with one line of JSON. Each job starts with an empty context and ends early at a
// token that ends the generation, unless --ignore-end is given.

#include <llama.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "reference_program.hpp"

namespace {

double wall_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

llama_flash_attn_type flash_attention_of(const std::string& word) {
  if (word == "auto") return LLAMA_FLASH_ATTN_TYPE_AUTO;
  if (word == "on") return LLAMA_FLASH_ATTN_TYPE_ENABLED;
  if (word == "off") return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  fail("--flash-attention is auto, on or off");
}

void decode(llama_context* context, std::vector<llama_token>& tokens, std::size_t from,
            std::size_t count) {
  llama_batch batch = llama_batch_get_one(tokens.data() + from, static_cast<std::int32_t>(count));
  const int status = llama_decode(context, batch);
  if (status != 0) fail("llama_decode returned " + std::to_string(status));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("usage: reference_generate <model.gguf> [options] < jobs");
  std::uint32_t context_tokens = 4096;
  std::uint32_t batch_tokens = 512;
  int threads = 1;
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  float temperature = 0;
  std::uint32_t seed = 0;
  bool ignore_end = false;
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--ignore-end") {
      ignore_end = true;
      continue;
    }
    if (i + 1 == argc) fail("a value is missing after " + option);
    const char* value = argv[++i];
    if (option == "--context") {
      context_tokens = static_cast<std::uint32_t>(std::atoi(value));
    } else if (option == "--batch") {
      batch_tokens = static_cast<std::uint32_t>(std::atoi(value));
    } else if (option == "--threads") {
      threads = std::atoi(value);
    } else if (option == "--flash-attention") {
      flash_attention = flash_attention_of(value);
    } else if (option == "--temperature") {
      temperature = std::strtof(value, nullptr);
    } else if (option == "--seed") {
      seed = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    } else {
      fail("unknown option " + option);
    }
  }

  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all();
  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) fail("the model could not be loaded");
  const llama_vocab* vocabulary = llama_model_get_vocab(model);
  llama_context* context =
      make_context(model, context_tokens, batch_tokens, threads, flash_attention);
  ggml_threadpool* pool = nullptr;
  if (threads > 1) {
    ggml_threadpool_params pool_params = ggml_threadpool_params_default(threads);
    ggml_backend_reg_t cpu =
        ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    pool = reinterpret_cast<decltype(&ggml_threadpool_new)>(
        ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_new"))(&pool_params);
    llama_attach_threadpool(context, pool, nullptr);
  }

  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream job(line);
    int wanted = 0;
    job >> wanted;
    std::vector<llama_token> prompt;
    for (llama_token token = 0; job >> token;) prompt.push_back(token);
    if (prompt.empty()) continue;

    llama_memory_clear(llama_get_memory(context), false);
    llama_sampler_chain_params chain_params = llama_sampler_chain_default_params();
    chain_params.no_perf = true;
    llama_sampler* chain = llama_sampler_chain_init(chain_params);
    if (temperature <= 0) {
      llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    } else {
      llama_sampler_chain_add(chain, llama_sampler_init_top_k(40));
      llama_sampler_chain_add(chain, llama_sampler_init_top_p(0.95f, 1));
      llama_sampler_chain_add(chain, llama_sampler_init_min_p(0.05f, 1));
      llama_sampler_chain_add(chain, llama_sampler_init_temp(temperature));
      llama_sampler_chain_add(chain, llama_sampler_init_dist(seed));
    }

    const double wall_start = wall_ms();
    const double cpu_start = cpu_ms();
    for (std::size_t done = 0; done < prompt.size(); done += batch_tokens) {
      decode(context, prompt, done, std::min<std::size_t>(batch_tokens, prompt.size() - done));
    }
    const double wall_prefilled = wall_ms();
    const double cpu_prefilled = cpu_ms();
    std::vector<llama_token> sampled;
    // Of the decoding, what llama-bench times: it does not sample.
    double eval_ms = 0;
    while (static_cast<int>(sampled.size()) < wanted) {
      llama_token token = llama_sampler_sample(chain, context, -1);
      sampled.push_back(token);
      if (!ignore_end && llama_vocab_is_eog(vocabulary, token)) break;
      if (static_cast<int>(sampled.size()) == wanted) break;
      std::vector<llama_token> next{token};
      const double eval_start = wall_ms();
      decode(context, next, 0, 1);
      llama_synchronize(context);
      eval_ms += wall_ms() - eval_start;
    }
    const double wall_end = wall_ms();
    const double cpu_end = cpu_ms();
    llama_sampler_free(chain);

    std::printf(
        "{\"prefillMs\":%.3f,\"prefillCpuMs\":%.3f,\"decodeMs\":%.3f,\"decodeCpuMs\":%.3f,"
        "\"evalMs\":%.3f,\"tokens\":[",
        wall_prefilled - wall_start, cpu_prefilled - cpu_start, wall_end - wall_prefilled,
        cpu_end - cpu_prefilled, eval_ms);
    for (std::size_t i = 0; i < sampled.size(); ++i) {
      std::printf(i == 0 ? "%d" : ",%d", sampled[i]);
    }
    std::printf("]}\n");
    std::fflush(stdout);
  }

  llama_free(context);
  llama_model_free(model);
  return 0;
}
