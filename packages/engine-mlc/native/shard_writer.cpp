#include "shard_writer.hpp"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm::mlc {

namespace {

constexpr std::uint64_t kShardBytes = std::uint64_t{32} << 20;

}  // namespace

void ShardWriter::begin(TensorRecord record) {
  if (!digest_ || shards_.back().nbytes + record.nbytes > kShardBytes) {
    close_shard();
    open_shard();
  }
  ShardRecord& shard = shards_.back();
  record.byte_offset = shard.nbytes;
  shard.nbytes += record.nbytes;
  shard.records.push_back(std::move(record));
}

void ShardWriter::write(std::span<const std::byte> bytes) {
  errno = 0;
  file_.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  if (!file_) fail();
  digest_->update(bytes);
}

std::vector<ShardRecord> ShardWriter::finish() {
  close_shard();
  return std::move(shards_);
}

void ShardWriter::open_shard() {
  ShardRecord shard;
  shard.data_path = "params_shard_" + std::to_string(shards_.size()) + ".bin";
  const std::string path = folder_ + "/" + shard.data_path;
  shards_.push_back(std::move(shard));
  errno = 0;
  file_.open(std::filesystem::path(std::u8string(path.begin(), path.end())),
             std::ios::binary | std::ios::trunc);
  if (!file_) fail();
  digest_.emplace();
}

void ShardWriter::close_shard() {
  if (!digest_) return;
  errno = 0;
  file_.close();
  if (!file_) fail();
  shards_.back().md5sum = digest_->finish();
  digest_.reset();
}

void ShardWriter::fail() const {
  const std::string path = folder_ + "/" + shards_.back().data_path;
  const std::string reason =
      errno == 0 ? "" : " (" + std::error_code(errno, std::generic_category()).message() + ")";
  throw Error(code::kIoFailed,
              "Writing " + path + " failed" + reason +
                  ". Free some space on its disk, or choose another folder.",
              {{"path", path}});
}

}  // namespace mobillm::mlc
