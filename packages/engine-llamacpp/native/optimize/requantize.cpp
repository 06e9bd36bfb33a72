#include "optimize/requantize.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mobillm/error.hpp"
#include "open_error.hpp"

namespace mobillm::llamacpp {

namespace {

// Numbers of one piece of work: long enough to start a thread for, short enough to stop within.
constexpr std::int64_t kPieceNumbers = 1 << 18;

// Those that can be written without a measured importance, by the names of their files.
constexpr std::array<std::pair<const char*, ggml_type>, 15> kWritable{{{"F32", GGML_TYPE_F32},
                                                                       {"F16", GGML_TYPE_F16},
                                                                       {"BF16", GGML_TYPE_BF16},
                                                                       {"Q8_0", GGML_TYPE_Q8_0},
                                                                       {"Q5_1", GGML_TYPE_Q5_1},
                                                                       {"Q5_0", GGML_TYPE_Q5_0},
                                                                       {"Q4_1", GGML_TYPE_Q4_1},
                                                                       {"Q4_0", GGML_TYPE_Q4_0},
                                                                       {"IQ4_NL", GGML_TYPE_IQ4_NL},
                                                                       {"IQ4_XS", GGML_TYPE_IQ4_XS},
                                                                       {"Q6_K", GGML_TYPE_Q6_K},
                                                                       {"Q5_K", GGML_TYPE_Q5_K},
                                                                       {"Q4_K", GGML_TYPE_Q4_K},
                                                                       {"Q3_K", GGML_TYPE_Q3_K},
                                                                       {"Q2_K", GGML_TYPE_Q2_K}}};

bool is_writable(ggml_type type) {
  return std::ranges::any_of(kWritable, [type](const auto& row) { return row.second == type; });
}

std::string upper_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::toupper(letter));
  });
  return text;
}

// Some rows, as one thread works on them.
class Piece {
 public:
  Piece(const WeightRows& from_rows, ggml_type to, std::span<const float> importance)
      : from_(from_rows), to_(to), importance_(importance) {}

  WeightError run(const std::byte* from, std::byte* to, std::int64_t rows) {
    const auto count = static_cast<std::size_t>(rows * from_.columns);
    old_.resize(count);
    new_.resize(count);
    read(from_.type, from, rows, old_);
    if (!std::ranges::all_of(old_, [](float number) { return std::isfinite(number); })) {
      throw Error(code::kModelInvalid,
                  "A tensor of the model holds numbers that are none, or infinite. Download the "
                  "model again and compare its sha256.");
    }
    ggml_quantize_chunk(to_, old_.data(), to, 0, rows, from_.columns,
                        importance_.empty() ? nullptr : importance_.data());
    read(to_, to, rows, new_);
    return compare();
  }

 private:
  void read(ggml_type type, const std::byte* bytes, std::int64_t rows, std::vector<float>& out) {
    const std::int64_t count = rows * from_.columns;
    if (type == GGML_TYPE_F32) {
      std::memcpy(out.data(), bytes, static_cast<std::size_t>(count) * sizeof(float));
    } else {
      ggml_get_type_traits(type)->to_float(bytes, out.data(), count);
    }
  }

  WeightError compare() const {
    WeightError error;
    const auto columns = static_cast<std::size_t>(from_.columns);
    for (std::size_t start = 0; start < old_.size(); start += columns) {
      for (std::size_t k = 0; k < columns; ++k) {
        const double weight = importance_.empty() ? 1 : static_cast<double>(importance_[k]);
        const double before = old_[start + k];
        const double difference = static_cast<double>(new_[start + k]) - before;
        error.difference += weight * difference * difference;
        error.energy += weight * before * before;
      }
    }
    return error;
  }

  WeightRows from_;
  ggml_type to_;
  std::span<const float> importance_;
  std::vector<float> old_;
  std::vector<float> new_;
};

// Threads besides the caller's, joined on every way out.
class Crew {
 public:
  Crew(int count, const std::function<void()>& work) {
    threads_.reserve(static_cast<std::size_t>(std::max(0, count)));
    try {
      for (int i = 0; i < count; ++i) threads_.emplace_back(work);
    } catch (const std::system_error&) {
      // Those that there are do the work.
    }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

ggml_type weight_type_named(const std::string& name, const std::string& key) {
  const std::string wanted = upper_case(name);
  std::string known;
  for (const auto& [known_name, type] : kWritable) {
    if (wanted == known_name) return type;
    known += (known.empty() ? "" : ", ") + std::string(known_name);
  }
  throw InvalidArgument(InvalidArgument::Kind::kRange, key,
                        "must be one of " + known + ", but it is \"" + name + "\"");
}

bool can_requantize(ggml_type from, ggml_type to, std::int64_t columns) {
  const bool readable = from == GGML_TYPE_F32 || ggml_get_type_traits(from)->to_float != nullptr;
  return readable && is_writable(to) && columns > 0 && columns % ggml_blck_size(from) == 0 &&
         columns % ggml_blck_size(to) == 0;
}

WeightError requantize(const WeightRows& from_rows, std::span<const std::byte> from, ggml_type to,
                       std::span<std::byte> to_bytes, std::span<const float> importance,
                       int threads, const std::function<bool()>& stopped) {
  const std::size_t from_row = ggml_row_size(from_rows.type, from_rows.columns);
  const std::size_t to_row = ggml_row_size(to, from_rows.columns);
  const auto rows = static_cast<std::size_t>(from_rows.rows);
  const bool fits =
      can_requantize(from_rows.type, to, from_rows.columns) && from.size() >= from_row * rows &&
      to_bytes.size() >= to_row * rows &&
      (importance.empty() || importance.size() == static_cast<std::size_t>(from_rows.columns));
  if (!fits) {
    throw InvalidArgument(
        InvalidArgument::Kind::kRange, "type",
        "does not fit the tensor's rows of " + std::to_string(from_rows.columns) + " numbers");
  }
  const std::int64_t piece_rows = std::max<std::int64_t>(1, kPieceNumbers / from_rows.columns);
  const std::int64_t pieces = (from_rows.rows + piece_rows - 1) / piece_rows;
  // Made here: the tables of some formats are made at first use.
  ggml_quantize_init(to);

  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::vector<WeightError> errors(static_cast<std::size_t>(pieces));
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      Piece piece(from_rows, to, importance);
      for (std::int64_t i = next++; i < pieces; i = next++) {
        if (stopped()) throw aborted();
        const std::int64_t first = i * piece_rows;
        const std::int64_t count = std::min(piece_rows, from_rows.rows - first);
        errors[static_cast<std::size_t>(i)] =
            piece.run(from.data() + from_row * static_cast<std::size_t>(first),
                      to_bytes.data() + to_row * static_cast<std::size_t>(first), count);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = pieces;
    }
  };
  {
    const Crew crew(static_cast<int>(std::min<std::int64_t>(threads, pieces)) - 1, work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  // In the order of the rows, so that the sum does not depend on the threads.
  WeightError sum;
  for (const WeightError& error : errors) {
    sum.difference += error.difference;
    sum.energy += error.energy;
  }
  return sum;
}

}  // namespace mobillm::llamacpp
