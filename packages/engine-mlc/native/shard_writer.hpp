// Writes tensors into files as MLC groups them, and keeps the records of its tensor-cache.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "digest.hpp"

namespace mobillm::mlc {

// One tensor, under the names of MLC's records.
struct TensorRecord {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::string dtype;
  std::uint64_t nbytes = 0;
  std::uint64_t byte_offset = 0;
};

// One file.
struct ShardRecord {
  std::string data_path;
  std::uint64_t nbytes = 0;
  std::string md5sum;
  std::vector<TensorRecord> records;
};

// Streams tensors to `params_shard_0.bin` and so on in a folder that exists. A file takes tensors
// up to 32 MiB; a larger tensor has a file of its own.
class ShardWriter {
 public:
  explicit ShardWriter(std::string folder) : folder_(std::move(folder)) {}

  // Starts a tensor whose `nbytes` are then given to `write`, in any number of pieces. Throws
  // IO_FAILED, as all here do.
  void begin(TensorRecord record);
  void write(std::span<const std::byte> bytes);

  // Ends the last file and returns all records.
  std::vector<ShardRecord> finish();

 private:
  void open_shard();
  void close_shard();
  [[noreturn]] void fail() const;

  std::string folder_;
  std::ofstream file_;
  std::optional<Md5> digest_;  // of the open file
  std::vector<ShardRecord> shards_;
};

}  // namespace mobillm::mlc
