#include "model_library.hpp"

#include <array>
#include <vector>

#include "digest.hpp"
#include "dynamic_library.hpp"
#include "input_file.hpp"
#include "object_file.hpp"

namespace mobillm::mlc {

namespace {

// The runtime's allocator that keeps freed memory for the next step.
constexpr std::int64_t kPooledAllocator = 2;

// What TVM's compiler links the virtual machine's code in as. A library without it is none of a
// model; opening it would run its code for nothing, and a second libtvm_ffi ends the process.
constexpr const char* kExecutableSymbol = "__tvm_ffi__library_bin";

void check_sha256(const LibraryFile& library) {
  InputFile file(library.path);
  Sha256 digest;
  std::vector<std::byte> slice(std::size_t{1} << 20);
  while (const std::size_t bytes = file.read(slice)) digest.update(std::span(slice).first(bytes));
  const std::string found = digest.finish();
  if (found == library.sha256) return;
  throw Error(code::kIntegrityFailed,
              "The model library " + library.path + " has sha256 " + found + ", and " +
                  library.sha256 +
                  " is recorded. It was changed, so it is not run. Compile or download the model "
                  "again.",
              {{"path", library.path}, {"found", found}, {"recorded", library.sha256}});
}

Error broken(const LibraryFile& file, const std::string& reason) {
  return {code::kModelInvalid,
          "The model library " + file.path + " cannot be loaded: " + reason +
              ". Compile or download the model again.",
          {{"path", file.path}, {"reason", reason}}};
}

Error lacks(const LibraryFile& file, const std::string& what) {
  return {code::kModelUnsupported,
          "The model library " + file.path + " has no function " + what +
              ". Compile the model as a decoder with a paged KV cache.",
          {{"path", file.path}, {"function", what}}};
}

}  // namespace

ModelLibrary::ModelLibrary(const LibraryFile& file, abi::Device device) {
  // First, so that nothing is read into what somebody has changed.
  if (!file.sha256.empty()) check_sha256(file);
  check_object_file(file.path, {.missing = code::kFileNotFound,
                                .invalid = code::kModelInvalid,
                                .foreign = code::kModelUnsupported,
                                .what = "The model library",
                                .remedy = "Compile the model for this machine.",
                                .symbol = kExecutableSymbol});
  // The runtime opens libraries lazily: a function that is nowhere would end the process when it is
  // called. Held until the runtime has opened the library for itself.
  std::string reason;
  const LibraryPtr bound = open_library(file.path, reason);
  if (bound == nullptr) throw broken(file, reason);
  get_function_ = require_global("ffi.ModuleGetFunction");
  try {
    executable_ = require_global("ffi.ModuleLoadFromFile")(file.path);
    const Value load = get_function_(executable_, "vm_load_executable", true);
    if (load.is_none()) throw lacks(file, "vm_load_executable");
    machine_ = Function(load, "load the model's executable")();
    const Value initialize = get_function_(machine_, "vm_initialization", true);
    if (initialize.is_none()) throw lacks(file, "vm_initialization");
    const Function start(initialize, "initialize the model");
    // A device beside the CPU needs the CPU, too, for shapes.
    if (device.type == abi::kCpu) {
      start(device.type, device.id, kPooledAllocator);
    } else {
      start(device.type, device.id, kPooledAllocator, abi::kCpu, std::int64_t{0}, kPooledAllocator);
    }
    const Function metadata = find("_metadata");
    if (!metadata) throw lacks(file, "_metadata");
    metadata_ = metadata().text();
  } catch (const TvmError& error) {
    throw broken(file, error.reason());
  }
  embed = find("embed");
  prefill = find("prefill");
  decode = find("decode");
  if (!prefill || !decode) {
    prefill = find("batch_prefill");
    decode = find("batch_decode");
    batched_ = true;
  }
  create_cache = find("create_tir_paged_kv_cache");
  if (!embed) throw lacks(file, "embed");
  if (!prefill) throw lacks(file, "prefill or batch_prefill");
  if (!decode) throw lacks(file, "decode or batch_decode");
  if (!create_cache) throw lacks(file, "create_tir_paged_kv_cache");
}

Function ModelLibrary::find(const char* name) const {
  Value function = get_function_(machine_, name, true);
  if (function.is_none()) return {};
  return {std::move(function), std::string("run the model's function ") + name};
}

}  // namespace mobillm::mlc
