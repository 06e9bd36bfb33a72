// What Qualcomm's libraries keep by themselves: makes a back end, a device and a context from a
// binary, executes its graphs, and frees all of it, over and over, with none of the engine's code
// but the declarations. Prints the resident memory after each tenth of the cycles, as the
// engine's own loop in test/fixtures does.
//
//   qnn_bare_loop <binary> <cycles> <executions of the smallest graph a cycle>

#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "qnn_abi.hpp"

namespace mobillm::qnn::test {

namespace {

template <typename Provider>
const Provider* open_library(const char* name, const char* symbol) {
  const char* folder = std::getenv("MOBILLM_QNN_LIBRARY_DIR");
  CHECK(folder != nullptr);
  void* const library = dlopen((std::string(folder) + '/' + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  CHECK(library != nullptr);
  using Get = abi::Status(const Provider* const** list, std::uint32_t* count);
  auto* const get = reinterpret_cast<Get*>(dlsym(library, symbol));
  CHECK(get != nullptr);
  const Provider* const* list = nullptr;
  std::uint32_t count = 0;
  CHECK_EQUAL(get(&list, &count), abi::Status{0});
  CHECK(count > 0);
  return list[0];
}

template <typename Provider, typename Function, typename... Arguments>
void call(const Provider& provider, const abi::Slot<Function>& slot, Arguments... arguments) {
  CHECK_EQUAL(reinterpret_cast<Function*>(provider.functions[slot.index])(arguments...),
              abi::Status{0});
}

void ignore_log(const char*, std::uint32_t, std::uint64_t, std::va_list) {}

std::vector<std::byte> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  CHECK(file.is_open());
  std::vector<std::byte> data(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size()));
  CHECK(file.good());
  return data;
}

std::size_t bytes_of(const abi::Tensor& tensor) {
  std::size_t bytes = tensor.data_type == abi::DataType::kInt32 ? 4 : 2;
  for (std::uint32_t i = 0; i < tensor.rank; ++i) bytes *= tensor.dimensions[i];
  return bytes;
}

void execute(const abi::Interface& htp, abi::Handle context, const abi::GraphInfo& graph,
             int times) {
  abi::Handle handle = nullptr;
  call(htp, abi::kGraphRetrieve, context, graph.name, &handle);
  std::vector<abi::Tensor> inputs(graph.inputs, graph.inputs + graph.input_count);
  std::vector<abi::Tensor> outputs(graph.outputs, graph.outputs + graph.output_count);
  std::vector<std::vector<std::byte>> buffers;
  for (std::vector<abi::Tensor>* tensors : {&inputs, &outputs}) {
    for (abi::Tensor& tensor : *tensors) {
      buffers.emplace_back(bytes_of(tensor));
      tensor.buffer = {buffers.back().data(), static_cast<std::uint32_t>(buffers.back().size())};
    }
  }
  for (int i = 0; i < times; ++i) {
    call(htp, abi::kGraphExecute, handle, static_cast<const abi::Tensor*>(inputs.data()),
         static_cast<std::uint32_t>(inputs.size()), outputs.data(),
         static_cast<std::uint32_t>(outputs.size()), static_cast<abi::Handle>(nullptr),
         static_cast<abi::Handle>(nullptr));
  }
}

void run_cycle(const abi::Interface& htp, const abi::SystemInterface& system, const char* path,
               int executions) {
  std::vector<std::byte> binary = read_file(path);
  abi::Handle reader = nullptr;
  const abi::BinaryInfo* info = nullptr;
  std::uint64_t info_bytes = 0;
  call(system, abi::kSystemCreate, &reader);
  call(system, abi::kSystemGetBinaryInfo, reader, static_cast<void*>(binary.data()),
       static_cast<std::uint64_t>(binary.size()), &info, &info_bytes);
  CHECK_EQUAL(info->version, 3u);
  const auto& full = reinterpret_cast<const abi::BinaryInfo3&>(*info);

  abi::Handle log = nullptr;
  abi::Handle backend = nullptr;
  abi::Handle device = nullptr;
  abi::Handle context = nullptr;
  const abi::Config* const none[] = {nullptr};
  call(htp, abi::kLogCreate, &ignore_log, 1u, &log);
  call(htp, abi::kBackendCreate, log, static_cast<const abi::Config* const*>(nullptr), &backend);
  call(htp, abi::kDeviceCreate, log, static_cast<const abi::Config* const*>(none), &device);
  call(htp, abi::kContextCreateFromBinary, backend, device,
       static_cast<const abi::Config* const*>(nullptr), static_cast<const void*>(binary.data()),
       static_cast<std::uint64_t>(binary.size()), &context, static_cast<abi::Handle>(nullptr));
  for (std::uint32_t i = 0; i < full.graph_count; ++i) {
    const bool decodes = std::string(full.graphs[i].name) == "decode";
    execute(htp, context, full.graphs[i], decodes ? executions : 1);
  }
  call(htp, abi::kContextFree, context, static_cast<abi::Handle>(nullptr));
  call(htp, abi::kDeviceFree, device);
  call(htp, abi::kBackendFree, backend);
  call(htp, abi::kLogFree, log);
  call(system, abi::kSystemFree, reader);
}

// Without what the C library has got back and not yet given to the system.
std::size_t resident_bytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void run(const char* path, int cycles, int executions) {
  const auto* htp = open_library<abi::Interface>("libQnnHtp.so", abi::kGetProviders);
  const auto* system =
      open_library<abi::SystemInterface>("libQnnSystem.so", abi::kGetSystemProviders);
  std::ostringstream readings;
  for (int cycle = 1; cycle <= cycles; ++cycle) {
    run_cycle(*htp, *system, path, executions);
    if (cycle % (cycles / 10) != 0) continue;
    readings << (cycle == cycles / 10 ? "" : ",") << "{\"cycle\":" << cycle
             << ",\"bytes\":" << resident_bytes() << '}';
  }
  // A line of its own: the library prints one, too.
  std::printf("\n[%s]\n", readings.str().c_str());
}

}  // namespace mobillm::qnn::test

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: qnn_bare_loop <binary> <cycles> <executions>\n";
    return 2;
  }
  mobillm::qnn::test::run(arguments[1], std::max(10, std::atoi(arguments[2])),
                          std::max(1, std::atoi(arguments[3])));
}
