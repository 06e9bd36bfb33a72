// What llama.cpp keeps of memory by itself: loads a model, makes a context, prefills and decodes,
// and frees all of it, over and over, sharing no code with the engine.
//
//   bare_loop <model.gguf> <cycles> <context tokens> <prompt tokens> <decoded tokens>
//
// Prints the resident bytes after a fifth of the cycles and at the end, as JSON.

#include <llama.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void require(bool condition, const char* sentence) {
  if (condition) return;
  std::cerr << sentence << '\n';
  std::exit(1);
}

void decode(llama_context* context, std::vector<llama_token> tokens) {
  const auto count = static_cast<std::int32_t>(tokens.size());
  require(llama_decode(context, llama_batch_get_one(tokens.data(), count)) == 0,
          "llama_decode failed");
}

void cycle(const char* path, std::uint32_t context_tokens, std::size_t prompt_tokens,
           int decoded_tokens) {
  llama_model* model = llama_model_load_from_file(path, llama_model_default_params());
  require(model != nullptr, "the model did not load");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = context_tokens;
  params.n_threads = 1;
  params.n_threads_batch = 1;
  llama_context* context = llama_init_from_model(model, params);
  require(context != nullptr, "the context was not made");
  decode(context, std::vector<llama_token>(prompt_tokens, 1));
  for (int i = 0; i < decoded_tokens; ++i) decode(context, {2});
  llama_free(context);
  llama_model_free(model);
}

}  // namespace

int main(int count, char** arguments) {
  require(count == 6,
          "usage: bare_loop <model.gguf> <cycles> <context tokens> <prompt tokens> <decoded "
          "tokens>");
  const int cycles = std::atoi(arguments[2]);
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all();
  std::uint64_t settled = 0;
  for (int i = 1; i <= cycles; ++i) {
    cycle(arguments[1], static_cast<std::uint32_t>(std::atoi(arguments[3])),
          static_cast<std::size_t>(std::atoi(arguments[4])), std::atoi(arguments[5]));
    if (i == cycles / 5) settled = resident_bytes();
  }
  std::cout << "{\"settledBytes\":" << settled << ",\"endBytes\":" << resident_bytes() << "}\n";
}
