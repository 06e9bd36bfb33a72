#include "optimize/requantized_file.hpp"

#include <gguf.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include "mobillm/c_ptr.hpp"
#include "mobillm/error.hpp"
#include "open_error.hpp"

namespace mobillm::llamacpp {

namespace {

namespace fs = std::filesystem;

// Bytes that are read, worked on and written at once: what a large tensor takes of memory.
constexpr std::size_t kSlabBytes = std::size_t{32} << 20;

using GgufPtr = CPtr<gguf_context, gguf_free>;
using TensorsPtr = CPtr<ggml_context, ggml_free>;

fs::path to_path(const std::string& utf8) {
  return {reinterpret_cast<const char8_t*>(utf8.c_str())};
}

Error write_failed(const std::string& path, const std::string& reason) {
  return {code::kIoFailed,
          "Writing " + path + " failed: " + reason +
              ". Make room, or choose a folder that can be written to.",
          {{"path", path}, {"reason", reason}}};
}

// A new file, which nobody else has made, written from front to back.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path) {
#ifdef _WIN32
    file_.reset(_wfopen(to_path(path).c_str(), L"wbx"));
#else
    file_.reset(std::fopen(path.c_str(), "wbx"));
#endif
    if (file_ == nullptr) throw write_failed(path_, std::strerror(errno));
  }

  void write(const void* bytes, std::size_t count) {
    if (count > 0 && std::fwrite(bytes, 1, count, file_.get()) != count) {
      throw write_failed(path_, std::strerror(errno));
    }
    written_ += count;
  }

  void pad(std::size_t alignment) {
    const std::vector<char> zeros((alignment - written_ % alignment) % alignment);
    write(zeros.data(), zeros.size());
  }

  std::uint64_t written() const { return written_; }

  // Waits until the disk has it: a file under its final name is a whole one.
  void finish() {
    bool flushed = std::fflush(file_.get()) == 0;
#ifdef _WIN32
    flushed = flushed && _commit(_fileno(file_.get())) == 0;
#else
    flushed = flushed && fsync(fileno(file_.get())) == 0;
#endif
    if (!flushed) throw write_failed(path_, std::strerror(errno));
  }

 private:
  std::string path_;
  OpenFile file_;
  std::uint64_t written_ = 0;
};

// A tensor of the source and what becomes of it.
struct Move {
  WeightRows rows;
  std::uint64_t offset = 0;  // in the source file
  const TensorPlan* plan = nullptr;
};

// The source's header, changed into that of the new file.
class Header {
 public:
  Header(std::FILE* source, const RequantizeOptions& options) {
    ggml_context* tensors = nullptr;
    header_.reset(gguf_init_from_file_ptr(source, {.no_alloc = true, .ctx = &tensors}));
    const TensorsPtr owned(tensors);
    if (header_ == nullptr) {
      throw Error(code::kModelInvalid,
                  "The header of " + options.source.path + " cannot be read. Download it again.",
                  {{"path", options.source.path}});
    }
    std::map<std::string, const TensorPlan*> plans;
    for (const TensorPlan& plan : options.tensors) plans.emplace(plan.name, &plan);
    list_moves(tensors, plans);
    if (!plans.empty()) throw unknown_tensor(plans.begin()->first);
    for (const Move& move : moves_) {
      if (move.plan == nullptr) continue;
      gguf_set_tensor_type(header_.get(), move.plan->name.c_str(), move.plan->type);
    }
    gguf_set_val_u32(header_.get(), "general.file_type", options.file_type);
    gguf_set_val_u32(header_.get(), "general.quantization_version", GGML_QNT_VERSION);
  }

  const std::vector<Move>& moves() const { return moves_; }
  std::size_t alignment() const { return gguf_get_alignment(header_.get()); }

  std::vector<char> bytes() const {
    std::vector<char> bytes(gguf_get_meta_size(header_.get()));
    gguf_get_meta_data(header_.get(), bytes.data());
    return bytes;
  }

  // Of the whole new file.
  std::uint64_t file_bytes() const {
    std::uint64_t sum = gguf_get_meta_size(header_.get());
    for (std::int64_t i = 0; i < gguf_get_n_tensors(header_.get()); ++i) {
      sum += GGML_PAD(gguf_get_tensor_size(header_.get(), i), alignment());
    }
    return sum;
  }

 private:
  static InvalidArgument unknown_tensor(const std::string& name) {
    return InvalidArgument(InvalidArgument::Kind::kRange, "tensors",
                           "must be tensors of the model, but \"" + name + "\" is none");
  }

  // Takes the plans that are used.
  void list_moves(ggml_context* tensors, std::map<std::string, const TensorPlan*>& plans) {
    const std::uint64_t data = gguf_get_data_offset(header_.get());
    for (std::int64_t i = 0; i < gguf_get_n_tensors(header_.get()); ++i) {
      const std::string name = gguf_get_tensor_name(header_.get(), i);
      const ggml_tensor* tensor = ggml_get_tensor(tensors, name.c_str());
      Move move;
      move.rows = {tensor->type, tensor->ne[0], ggml_nrows(tensor)};
      move.offset = data + gguf_get_tensor_offset(header_.get(), i);
      if (const auto found = plans.find(name); found != plans.end()) {
        if (!can_requantize(tensor->type, found->second->type, tensor->ne[0])) {
          throw InvalidArgument(InvalidArgument::Kind::kRange, "tensors",
                                "cannot give " + name + ", whose rows have " +
                                    std::to_string(tensor->ne[0]) + " numbers of " +
                                    ggml_type_name(tensor->type) + ", the format " +
                                    ggml_type_name(found->second->type));
        }
        if (found->second->type != tensor->type) move.plan = found->second;
        plans.erase(found);
      }
      moves_.push_back(move);
    }
  }

  GgufPtr header_;
  std::vector<Move> moves_;
};

void read_at(std::FILE* file, std::uint64_t offset, std::span<std::byte> out,
             const std::string& path) {
#ifdef _WIN32
  const bool sought = _fseeki64(file, static_cast<long long>(offset), SEEK_SET) == 0;
#else
  const bool sought = fseeko(file, static_cast<off_t>(offset), SEEK_SET) == 0;
#endif
  if (sought && std::fread(out.data(), 1, out.size(), file) == out.size()) return;
  throw Error(code::kIoFailed,
              "Reading " + path + " failed: it became shorter, or its disk has a fault.",
              {{"path", path}, {"offset", static_cast<double>(offset)}});
}

// How many rows a slab has.
std::int64_t slab_rows(const WeightRows& rows) {
  const std::size_t row = std::max<std::size_t>(1, ggml_row_size(rows.type, rows.columns));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(kSlabBytes / row));
}

void require_room(const std::string& path, std::uint64_t needed) {
  std::error_code trouble;
  const fs::path folder = to_path(path).parent_path();
  const fs::space_info space = fs::space(folder.empty() ? fs::path(".") : folder, trouble);
  if (trouble) throw write_failed(path, trouble.message());
  if (space.available >= needed) return;
  throw Error(code::kIoFailed,
              "There is no room for " + path + ": it needs " + std::to_string((needed >> 20) + 1) +
                  " MiB, and its disk has " + std::to_string(space.available >> 20) +
                  " MiB left. Make room, or choose another folder.",
              {{"path", path},
               {"neededBytes", static_cast<double>(needed)},
               {"availableBytes", static_cast<double>(space.available)}});
}

// Throws where a result may not get a name. Whoever wants to overwrite may not mean the source,
// which is being read.
void require_free(const std::string& path, const std::string& source, bool overwrite) {
  std::error_code trouble;
  const fs::file_status status = fs::symlink_status(to_path(path), trouble);
  if (!fs::exists(status)) return;
  std::string reason = "There is a file " + path + " already. Choose another name, or delete it.";
  if (overwrite) {
    if (fs::equivalent(to_path(path), to_path(source), trouble)) {
      reason = path + " is the source itself, which is only read. Choose another name.";
    } else if (fs::is_regular_file(status)) {
      return;
    } else {
      reason = path + " is no file, so it is not overwritten. Choose another name.";
    }
  }
  throw Error(code::kIoFailed, reason, {{"path", path}});
}

}  // namespace

RequantizedFile::RequantizedFile(RequantizeOptions options)
    : options_(std::move(options)), path_(options_.path) {}

RequantizedFile::~RequantizedFile() { discard(); }

void RequantizedFile::prepare(const std::string& path, std::uint64_t bytes, bool overwrite) {
  require_free(path, options_.source.path, overwrite);
  { const Output output(path_); }
  exists_ = true;
  discard();
  require_room(path_, bytes);
}

std::uint64_t RequantizedFile::write(const AbortFlag& abort,
                                     const std::function<void(float)>& on_progress) {
  const OpenFile source = open_checked(options_.source);
  const Header header(source.get(), options_);
  const std::uint64_t total = header.file_bytes();
  require_room(path_, total);
  Output output(path_);
  exists_ = true;

  const auto stopped = [&abort] { return abort.is_set(); };
  const std::vector<char> head = header.bytes();
  output.write(head.data(), head.size());
  std::vector<std::byte> from;
  std::vector<std::byte> to;
  for (const Move& move : header.moves()) {
    const std::size_t row_bytes = ggml_row_size(move.rows.type, move.rows.columns);
    const std::int64_t step = slab_rows(move.rows);
    for (std::int64_t first = 0; first < move.rows.rows; first += step) {
      if (stopped()) throw aborted();
      WeightRows slab = move.rows;
      slab.rows = std::min(step, move.rows.rows - first);
      from.resize(slab.bytes());
      read_at(source.get(), move.offset + static_cast<std::uint64_t>(first) * row_bytes, from,
              options_.source.path);
      if (move.plan == nullptr) {
        output.write(from.data(), from.size());
      } else {
        to.resize(WeightRows{move.plan->type, slab.columns, slab.rows}.bytes());
        requantize(slab, from, move.plan->type, to, move.plan->importance, options_.threads,
                   stopped);
        output.write(to.data(), to.size());
      }
      if (on_progress) {
        on_progress(
            static_cast<float>(static_cast<double>(output.written()) / static_cast<double>(total)));
      }
    }
    output.pad(header.alignment());
  }
  output.finish();
  return output.written();
}

void RequantizedFile::commit(const std::string& path, bool overwrite) {
  std::error_code trouble;
  const fs::path from = to_path(path_);
  const fs::path to = to_path(path);
  if (!overwrite) {
    // A link fails where the name is taken, in one step; a file system without links (memory cards)
    // leaves a moment between the look and the renaming.
    fs::create_hard_link(from, to, trouble);
    if (!trouble) {
      fs::remove(from, trouble);
      path_ = path;
      return;
    }
  }
  require_free(path, options_.source.path, overwrite);
  fs::rename(from, to, trouble);
  if (trouble) throw write_failed(path, trouble.message());
  path_ = path;
}

void RequantizedFile::discard() noexcept {
  if (!exists_) return;
  exists_ = false;
  std::error_code ignored;
  fs::remove(to_path(path_), ignored);
}

}  // namespace mobillm::llamacpp
