// Writes a model's weights in another type with llama.cpp alone, for tests that compare engines on
// the very same weights at full precision, and for benchmarks:
//
//   reference_requantize <in.gguf> <out.gguf> f16|f32|q4_0

#include <llama.h>

#include <iostream>
#include <map>
#include <string>

int main(int argc, char** argv) {
  const std::map<std::string, llama_ftype> types{{"f16", LLAMA_FTYPE_MOSTLY_F16},
                                                 {"f32", LLAMA_FTYPE_ALL_F32},
                                                 {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0}};
  const auto type = argc == 4 ? types.find(argv[3]) : types.end();
  if (type == types.end()) {
    std::cerr << "usage: reference_requantize <in.gguf> <out.gguf> f16|f32|q4_0\n";
    return 2;
  }
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = type->second;
  params.allow_requantize = true;
  params.nthread = 1;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  if (llama_model_quantize(argv[1], argv[2], &params) != 0) {
    std::cerr << "llama_model_quantize failed\n";
    return 1;
  }
  return 0;
}
