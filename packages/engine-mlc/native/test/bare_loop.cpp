// The runtime's own calls alone, over and over: what the library itself keeps of memory. Opens a
// model by the runtime's own loader of weights, prefills and decodes, and lets go of everything.
//
//   bare_loop <model folder> <cycles> <prompt tokens> <decoded tokens>
//
// Prints the resident bytes after a fifth of the cycles and at the end, as JSON.

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "processors.hpp"
#include "runtime.hpp"
#include "tvm_value.hpp"

namespace {

using namespace mobillm::mlc;

constexpr abi::Device kDevice{abi::kCpu, 0};
constexpr abi::DataType kInt32{abi::kSignedInteger, 32, 1};

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

Value tensor_of(const std::vector<std::int32_t>& tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  Value tensor = require_global("runtime.TVMTensorAllocWithScope")(make_shape({count}), kInt32,
                                                                   kDevice, nullptr);
  require_global("runtime.TVMTensorCopyFromBytes")(tensor, Argument::memory(tokens.data()),
                                                   count * 4);
  return tensor;
}

void cycle(const std::string& folder, int prompt_tokens, int decoded_tokens) {
  const Function get = require_global("ffi.ModuleGetFunction");
  const Function array_item = require_global("ffi.ArrayGetItem");
  const Value library = require_global("ffi.ModuleLoadFromFile")(folder + "/model.so");
  const Value machine = Function(get(library, "vm_load_executable", true), "load")();
  const auto function = [&](const char* name) { return Function(get(machine, name, true), name); };
  function("vm_initialization")(std::int64_t{1}, std::int64_t{0}, std::int64_t{2});

  const Value metadata = require_global("ffi.json.Parse")(function("_metadata")().text());
  const Function map_item = require_global("ffi.MapGetItem");
  const Value chunk = map_item(metadata, "prefill_chunk_size");
  const Value told = map_item(metadata, "params");
  const std::int64_t count = require_global("ffi.ArraySize")(told).integer();
  require_global("vm.builtin.tensor_cache.load")(folder, std::int64_t{1}, std::int64_t{0});
  std::vector<Value> names;
  for (std::int64_t i = 0; i < count; ++i) {
    names.push_back(map_item(array_item(told, i), "name"));
  }
  const std::vector<Argument> arguments(names.begin(), names.end());
  const Value parameters =
      require_global("vm.builtin.param_array_from_cache_by_name_unpacked").call(arguments);
  require_global("vm.builtin.tensor_cache.clear")();

  const Value cache = function("create_tir_paged_kv_cache")(make_shape({1}), make_shape({512}),
                                                            make_shape({chunk.integer()}),
                                                            make_shape({16}), make_shape({0}));
  require_global("vm.builtin.kv_state_add_sequence")(cache, std::int64_t{0});
  const auto step = [&](const char* name, const std::vector<std::int32_t>& tokens) {
    const auto length = static_cast<std::int64_t>(tokens.size());
    const Value embedded = function("embed")(tensor_of(tokens), parameters);
    const Value input = require_global("vm.builtin.reshape")(
        embedded, make_shape({1, length, embedded.tensor().shape[1]}));
    require_global("vm.builtin.kv_state_begin_forward")(cache, make_shape({0}),
                                                        make_shape({length}));
    const Value result = function(name)(input, cache, parameters);
    require_global("vm.builtin.kv_state_end_forward")(cache);
    return array_item(result, std::int64_t{0}).tensor().dimensions;
  };
  step("prefill", std::vector<std::int32_t>(static_cast<std::size_t>(prompt_tokens), 1));
  for (int i = 0; i < decoded_tokens; ++i) step("decode", {2});
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const std::string folder = arguments[1];
  const int cycles = std::stoi(arguments[2]);
  initialize_library(runtime_paths());
  use_threads(1);
  std::uint64_t settled = 0;
  for (int i = 1; i <= cycles; ++i) {
    cycle(folder, std::stoi(arguments[3]), std::stoi(arguments[4]));
    require_global("vm.builtin.memory_manager.clear")();
    if (i == cycles / 5) settled = resident_bytes();
  }
  std::cout << "{\"settledBytes\":" << settled << ",\"endBytes\":" << resident_bytes() << "}\n";
}
