#include "context_binary.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tuple>

#include "codes.hpp"
#include "sha256.hpp"

namespace mobillm::qnn {

namespace {

constexpr std::uint32_t kMostGraphs = 4096;
constexpr std::uint32_t kMostTensors = 65536;
constexpr std::size_t kSlice = std::size_t{8} << 20;
// Shorter than the header of any context binary.
constexpr std::size_t kLeastBytes = 64;

[[noreturn]] void throw_invalid(const std::string& why) {
  throw Error(code::kModelInvalid, "This is no sound context binary: " + why +
                                       ". Download it again, or compile the model again.");
}

[[noreturn]] void throw_not_found(const std::string& path) {
  throw Error(code::kFileNotFound,
              "There is no readable file " + path + ". Check the path, and that it was not moved.",
              {{"path", path}});
}

[[noreturn]] void throw_changed(const std::string& path, const std::string& what) {
  throw Error(code::kIntegrityFailed,
              "The context binary " + path + " is not the one that its manifest records: " + what +
                  ". Download it again, or compile the model again.",
              {{"path", path}});
}

std::vector<TensorInfo> read_tensors(const abi::Tensor* tensors, std::uint32_t count) {
  if (count > kMostTensors || (count > 0 && tensors == nullptr)) {
    throw_invalid("a graph has an impossible number of tensors");
  }
  std::vector<TensorInfo> result;
  result.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) result.push_back(read_tensor(tensors[i]));
  return result;
}

template <typename Info>
void read_graphs(const Info& info, BinaryDescription& description) {
  description.blob = info.blob;
  if (info.graph_count > kMostGraphs || (info.graph_count > 0 && info.graphs == nullptr)) {
    throw_invalid("it has an impossible number of graphs");
  }
  for (std::uint32_t i = 0; i < info.graph_count; ++i) {
    const abi::GraphInfo& graph = info.graphs[i];
    if (graph.version < 1 || graph.version > 3 || graph.name == nullptr) {
      throw_invalid("a graph is described in an unknown way");
    }
    description.graphs.push_back({graph.name, read_tensors(graph.inputs, graph.input_count),
                                  read_tensors(graph.outputs, graph.output_count)});
  }
}

// An object of the system library's; what it tells dies with it.
class SystemContext {
 public:
  explicit SystemContext(const SystemLibrary& system)
      : system_(system), free_(system.function(abi::kSystemFree)) {
    const abi::Status status = system.function(abi::kSystemCreate)(&handle_);
    if (status != 0) throw_status(status, "start its system library", {}, {});
  }
  SystemContext(const SystemContext&) = delete;
  SystemContext& operator=(const SystemContext&) = delete;
  ~SystemContext() { free_(handle_); }

  const abi::BinaryInfo& read(std::span<std::byte> binary) {
    const abi::BinaryInfo* info = nullptr;
    std::uint64_t info_bytes = 0;
    const abi::Status status = system_.function(abi::kSystemGetBinaryInfo)(
        handle_, binary.data(), binary.size(), &info, &info_bytes);
    if (status != 0 || info == nullptr) {
      throw_invalid("QNN's system library cannot read it (error " +
                    std::to_string(status & 0xffff) + ")");
    }
    return *info;
  }

 private:
  const SystemLibrary& system_;
  // Looked up before anything is made: a destructor cannot say that it is missing.
  abi::Status (*const free_)(abi::Handle);
  abi::Handle handle_ = nullptr;
};

std::tuple<std::uint32_t, std::uint32_t> order(const abi::Version& version) {
  return {version.major, version.minor};
}

bool same(const abi::Version& one, const abi::Version& other) {
  return order(one) == order(other) && one.patch == other.patch;
}

}  // namespace

std::vector<std::byte> read_recorded(const RecordedFile& recorded, const AbortFlag& abort) {
  const std::string& path = recorded.path;
  std::error_code trouble;
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  // Looked at first: opening a pipe waits for somebody to write into it.
  if (!std::filesystem::is_regular_file(native, trouble)) throw_not_found(path);
  std::ifstream file(native, std::ios::binary);
  if (!file) throw_not_found(path);
  const std::uint64_t bytes = std::filesystem::file_size(native, trouble);
  if (trouble) throw_not_found(path);
  // Before any memory is asked for.
  if (bytes != recorded.bytes) {
    throw_changed(path, "it has " + std::to_string(bytes) + " bytes instead of " +
                            std::to_string(recorded.bytes));
  }
  std::vector<std::byte> data(bytes);
  for (std::size_t at = 0; at < data.size();) {
    if (abort.is_set()) throw Error(code::kAborted, "Reading was aborted.");
    const std::size_t count = std::min(kSlice, data.size() - at);
    file.read(reinterpret_cast<char*>(data.data() + at), static_cast<std::streamsize>(count));
    if (file.gcount() != static_cast<std::streamsize>(count)) {
      throw Error(code::kIoFailed, "The file " + path + " could not be read to its end.",
                  {{"path", path}});
    }
    at += count;
  }
  const std::string found = sha256_hex(data, abort);
  if (found != recorded.sha256) {
    throw_changed(path, "its sha256 is " + found + " instead of " + recorded.sha256);
  }
  return data;
}

void write_whole_file(const std::string& path, std::span<const std::byte> data) {
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  std::ofstream file(native, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  file.close();
  if (file) return;
  std::error_code ignored;
  std::filesystem::remove(native, ignored);
  throw Error(code::kIoFailed,
              "The file " + path + " could not be written (" + std::to_string(data.size()) +
                  " bytes). Check that the folder is there, and the space on its disk.",
              {{"path", path}});
}

BinaryDescription describe_binary(const SystemLibrary& system, std::span<std::byte> binary) {
  if (binary.size() < kLeastBytes) {
    throw_invalid("it has " + std::to_string(binary.size()) + " bytes");
  }
  SystemContext context(system);
  const abi::BinaryInfo& info = context.read(binary);
  BinaryDescription description;
  // Beyond the version, what was read is only worth anything in a layout that is known.
  if (info.version != 1 && info.version != 2 && info.version != 3) {
    throw Error(code::kModelUnsupported,
                "The context binary is described in a way (" + std::to_string(info.version) +
                    ") that this engine does not know. Compile the model again.");
  }
  description.backend_id = info.backend_id;
  description.build_id = info.build_id == nullptr ? "" : info.build_id;
  description.core_api = info.core_api;
  description.backend_api = info.backend_api;
  if (info.version == 3) {
    const auto& full = reinterpret_cast<const abi::BinaryInfo3&>(info);
    description.soc_model = full.soc_model;
    read_graphs(full, description);
  } else {
    read_graphs(reinterpret_cast<const abi::BinaryInfo1&>(info), description);
  }
  if (description.graphs.empty()) throw_invalid("it holds no graph");
  return description;
}

void check_compatible(const BinaryDescription& binary, const MadeWith& recorded,
                      const Library& library, const Target& device) {
  const auto unsupported = [](const std::string& sentence) {
    throw Error(code::kModelUnsupported, sentence);
  };
  if (binary.backend_id != library.backend_id()) {
    unsupported("The context binary is for another back end of QNN (" +
                std::to_string(binary.backend_id) + ") than " + library.provider() +
                ". Compile the model for this one.");
  }
  if (binary.build_id != recorded.build_id || !same(binary.core_api, recorded.core_api) ||
      !same(binary.backend_api, recorded.backend_api) ||
      binary.soc_model != recorded.target.soc_model) {
    throw Error(code::kModelInvalid,
                "The context binary says that it was made by QNN " + binary.build_id +
                    " for the chip " + std::to_string(binary.soc_model) +
                    ", and its manifest says by " + recorded.build_id + " for the chip " +
                    std::to_string(recorded.target.soc_model) +
                    ". They do not belong together: compile the model again.");
  }
  const std::uint32_t arch = htp_arch_of(binary.soc_model);
  if (arch != 0 && recorded.target.htp_arch != arch) {
    throw Error(code::kModelInvalid, "The context binary is for the chip " +
                                         std::to_string(binary.soc_model) + ", a Hexagon V" +
                                         std::to_string(arch) + ", and its manifest says V" +
                                         std::to_string(recorded.target.htp_arch) +
                                         ". They do not belong together: compile the model again.");
  }
  if (order(binary.core_api) > order(library.core_api()) ||
      order(binary.backend_api) > order(library.backend_api())) {
    unsupported("The context binary was made by a later QNN (" + binary.build_id +
                ") than the one here (" + library.build_id() +
                "). Use QNN's libraries of that version, or compile the model with these.");
  }
  if (device.htp_arch != 0 && recorded.target.htp_arch > device.htp_arch) {
    unsupported("The context binary is for a Hexagon V" + std::to_string(recorded.target.htp_arch) +
                ", and this device has a V" + std::to_string(device.htp_arch) +
                ". Compile the model for this device.");
  }
}

}  // namespace mobillm::qnn
