#include "tensor_cache.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "digest.hpp"
#include "input_file.hpp"

namespace mobillm::mlc {

namespace {

constexpr std::size_t kSliceBytes = std::size_t{1} << 22;
constexpr std::size_t kMostDimensions = 8;

Error invalid(const Shard& shard, const std::string& what) {
  return {code::kModelInvalid,
          "The tensor cache is no sound one: " + what + " in " + shard.path +
              ". Compile or download the model again.",
          {{"path", shard.path}}};
}

Error damaged(const Shard& shard, const std::string& what) {
  return {code::kIntegrityFailed,
          "The weights in " + shard.path + " are damaged: " + what +
              ". Compile or download the model again.",
          {{"path", shard.path}}};
}

// Bytes of a tensor in memory; empty when there is no such tensor.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, abi::DataType type) {
  std::uint64_t bytes = (std::uint64_t{type.bits} * type.lanes + 7) / 8;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    const auto factor = static_cast<std::uint64_t>(extent);
    if (factor != 0 &&
        bytes > std::numeric_limits<std::uint32_t>::max() * std::uint64_t{1024} / factor) {
      return std::nullopt;
    }
    bytes *= factor;
  }
  return bytes;
}

// Writes a tensor's bytes, which come in slices, to where the tensor lies.
class TensorWriter {
 public:
  TensorWriter(const CachedTensor& cached, abi::Device device)
      : cached_(cached),
        device_(device),
        tensor_(require_global("runtime.TVMTensorAllocWithScope")(make_shape(cached.shape),
                                                                  cached.type, device, nullptr)),
        bytes_(bytes_of(cached.shape, cached.type).value_or(0)) {
    // What is on another device, or is stored otherwise, goes through memory of our own.
    if (device.type == abi::kCpu) {
      target_ = static_cast<std::byte*>(tensor_.tensor().data) + tensor_.tensor().byte_offset;
    } else {
      staging_.resize(bytes_);
      target_ = staging_.data();
    }
  }

  // `offset` is counted from the tensor's beginning in the shard.
  void write(std::uint64_t offset, std::span<const std::byte> slice) {
    if (!cached_.from_bf16) {
      std::memcpy(target_ + offset, slice.data(), slice.size());
      return;
    }
    for (std::size_t i = 0; i < slice.size(); ++i) {
      // bf16 is the upper half of an f32; slices may end in the middle of one.
      const std::uint64_t at = offset + i;
      std::byte* number = target_ + at / 2 * 4;
      if (at % 2 == 0) std::memset(number, 0, 4);
      number[2 + at % 2] = slice[i];
    }
  }

  Value finish() {
    if (!staging_.empty()) {
      require_global("runtime.TVMTensorCopyFromBytes")(tensor_, Argument::memory(staging_.data()),
                                                       static_cast<std::int64_t>(staging_.size()));
    }
    return std::move(tensor_);
  }

 private:
  const CachedTensor& cached_;
  abi::Device device_;
  Value tensor_;
  std::uint64_t bytes_;
  std::vector<std::byte> staging_;
  std::byte* target_ = nullptr;
};

class Loader {
 public:
  Loader(const TensorCache& cache, abi::Device device, const AbortFlag& abort,
         const std::function<void(float)>& on_progress)
      : cache_(cache),
        device_(device),
        abort_(abort),
        on_progress_(on_progress),
        parameters_(cache.parameter_count),
        buffer_(kSliceBytes) {
    for (const Shard& shard : cache.shards) total_bytes_ += shard.bytes;
  }

  Value load() {
    // All sizes first: a missing or cut shard is told before minutes of reading.
    for (const Shard& shard : cache_.shards) open(shard);
    for (const Shard& shard : cache_.shards) load_shard(shard);
    return make_array(parameters_);
  }

 private:
  static InputFile open(const Shard& shard) {
    InputFile file(shard.path);
    if (file.size() != shard.bytes) {
      throw damaged(shard, "it has " + std::to_string(file.size()) + " bytes, and " +
                               std::to_string(shard.bytes) + " are recorded");
    }
    return file;
  }

  void load_shard(const Shard& shard) {
    InputFile file = open(shard);
    Md5 digest;
    std::uint64_t at = 0;
    std::size_t next = 0;
    std::optional<TensorWriter> writer;
    while (at < shard.bytes) {
      if (abort_.is_set()) throw Error(code::kAborted, "The call was aborted.");
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), shard.bytes - at));
      const std::span<const std::byte> slice(buffer_.data(),
                                             file.read(std::span(buffer_).first(wanted)));
      if (slice.empty()) throw damaged(shard, "it was cut while it was read");
      if (!shard.md5.empty()) digest.update(slice);
      deal_out(shard, at, slice, next, writer);
      at += slice.size();
      done_bytes_ += slice.size();
      on_progress_(
          static_cast<float>(static_cast<double>(done_bytes_) /
                             static_cast<double>(std::max<std::uint64_t>(1, total_bytes_))));
    }
    if (!shard.md5.empty() && digest.finish() != shard.md5) {
      throw damaged(shard, "its checksum is not the recorded one");
    }
  }

  // Gives a slice to the tensors that it belongs to.
  void deal_out(const Shard& shard, std::uint64_t at, std::span<const std::byte> slice,
                std::size_t& next, std::optional<TensorWriter>& writer) {
    const std::uint64_t end = at + slice.size();
    for (; next < shard.tensors.size(); ++next) {
      const CachedTensor& tensor = shard.tensors[next];
      if (tensor.offset >= end) return;
      if (!writer) writer.emplace(tensor, device_);
      const std::uint64_t from = std::max(at, tensor.offset);
      const std::uint64_t until = std::min(end, tensor.offset + tensor.bytes);
      if (until > from) {
        writer->write(from - tensor.offset, slice.subspan(from - at, until - from));
      }
      if (tensor.offset + tensor.bytes > end) return;
      parameters_[tensor.parameter] = writer->finish();
      writer.reset();
    }
  }

  const TensorCache& cache_;
  abi::Device device_;
  const AbortFlag& abort_;
  const std::function<void(float)>& on_progress_;
  std::vector<Value> parameters_;
  std::vector<std::byte> buffer_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t done_bytes_ = 0;
};

}  // namespace

void check_tensor_cache(const TensorCache& cache) {
  std::vector<bool> found(cache.parameter_count, false);
  for (const Shard& shard : cache.shards) {
    std::uint64_t end = 0;
    for (const CachedTensor& tensor : shard.tensors) {
      if (tensor.offset < end || tensor.offset > shard.bytes ||
          tensor.bytes > shard.bytes - tensor.offset) {
        throw invalid(shard, "a tensor overlaps another one or the end");
      }
      end = tensor.offset + tensor.bytes;
      const auto bytes = bytes_of(tensor.shape, tensor.type);
      if (tensor.shape.size() > kMostDimensions || !bytes ||
          *bytes != (tensor.from_bf16 ? tensor.bytes * 2 : tensor.bytes) || *bytes == 0) {
        throw invalid(shard, "the bytes of a tensor do not fit its shape");
      }
      if (tensor.parameter >= found.size() || found[tensor.parameter]) {
        throw invalid(shard, "a tensor is there twice, or belongs to no parameter");
      }
      found[tensor.parameter] = true;
    }
  }
  if (std::find(found.begin(), found.end(), false) != found.end()) {
    throw Error(code::kModelInvalid,
                "The tensor cache lacks a parameter of the model library: the two do not belong "
                "together. Compile or download the model again.");
  }
}

Value load_parameters(const TensorCache& cache, abi::Device device, const AbortFlag& abort,
                      const std::function<void(float)>& on_progress) {
  return Loader(cache, device, abort, on_progress).load();
}

}  // namespace mobillm::mlc
