// A context binary as bytes: read, checked, and described without being loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "device.hpp"
#include "library.hpp"
#include "mobillm/abort_flag.hpp"
#include "tensor_info.hpp"

namespace mobillm::qnn {

// What made a context binary.
struct MadeWith {
  std::string build_id;
  abi::Version core_api{};
  abi::Version backend_api{};
  Target target;
};

struct GraphDescription {
  std::string name;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

struct BinaryDescription {
  std::uint32_t backend_id = 0;
  std::string build_id;
  abi::Version core_api{};
  abi::Version backend_api{};
  abi::Version blob{};
  std::uint32_t soc_model = 0;  // 0 where the binary does not say
  std::vector<GraphDescription> graphs;
};

// Writes a file whole, in place of what is there. Throws IO_FAILED, and leaves nothing then.
void write_whole_file(const std::string& path, std::span<const std::byte> data);

// A file and what its manifest records of it.
struct RecordedFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;  // lower-case hexadecimal
};

// Reads a file whole; throws INTEGRITY_FAILED unless its bytes are those that were recorded. The
// libraries end the process over some binaries with a few bytes changed, so nothing that was not
// compared with its record ever reaches them.
//
// Throws FILE_NOT_FOUND, IO_FAILED, OUT_OF_MEMORY; ABORTED once `abort` is set.
std::vector<std::byte> read_recorded(const RecordedFile& file, const AbortFlag& abort);

// Has the system library read what a binary says of itself; it takes a pointer that it could write
// through, and only reads. Throws MODEL_INVALID for what is no sound context binary.
BinaryDescription describe_binary(const SystemLibrary& system, std::span<std::byte> binary);

// Compares a binary with its manifest, with the back end and with the device that are to load it:
// the library itself finds some of this out by ending the process, and the emulator never does.
// Throws MODEL_INVALID where the binary is not what the manifest says, MODEL_UNSUPPORTED where it
// is for another back end, a later version, or a later chip.
void check_compatible(const BinaryDescription& binary, const MadeWith& recorded,
                      const Library& library, const Target& device);

}  // namespace mobillm::qnn
