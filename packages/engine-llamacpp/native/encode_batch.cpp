#include "encode_batch.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <limits>
#include <system_error>
#include <thread>

#include "mobillm/error.hpp"
#include "mobillm/utf8.hpp"
#include "open_error.hpp"

namespace mobillm::llamacpp {

namespace {

// Code units that are worth a thread.
constexpr std::size_t kUnitsPerThread = 4096;

// Texts that one thread encodes before it looks for more.
constexpr std::size_t kTextsPerBlock = 64;

std::string to_checked_utf8(const std::u16string& text, const std::string& name) {
  Utf8Result result = to_utf8(text);
  if (result.lone_surrogate_at) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, name,
                          "holds half of a surrogate pair at index " +
                              std::to_string(*result.lone_surrogate_at) +
                              ", which is not a character");
  }
  return std::move(result.text);
}

// The texts of one call and what has become of them, shared by its threads.
class Batch {
 public:
  Batch(const Vocabulary& vocabulary, const std::vector<std::u16string>& texts,
        EncodeOptions options, const AbortFlag& abort, const AbortFlag& closing)
      : vocabulary_(vocabulary),
        texts_(texts),
        options_(options),
        abort_(abort),
        closing_(closing),
        blocks_((texts.size() + kTextsPerBlock - 1) / kTextsPerBlock) {}

  std::size_t blocks() const { return blocks_.size(); }

  // Encodes blocks until there are no more. Any thread.
  void work() noexcept {
    for (;;) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= blocks_.size()) return;
      Block& block = blocks_[index];
      try {
        encode(index, block.rows);
      } catch (...) {
        block.failure = std::current_exception();
        // Those behind it are of no use; those before it may hold an earlier failure.
        next_ = blocks_.size();
      }
    }
  }

  // The rows of all blocks, once every thread has ended.
  TokenRows join() {
    TokenRows all;
    std::size_t count = 0;
    for (const Block& block : blocks_) {
      if (block.failure) std::rethrow_exception(block.failure);
      count += block.rows.tokens.size();
    }
    if (count > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, "texts",
                            "have more tokens than can be counted; encode them in pieces");
    }
    all.tokens.reserve(count);
    all.ends.reserve(texts_.size());
    for (Block& block : blocks_) {
      const auto offset = static_cast<std::int32_t>(all.tokens.size());
      all.tokens.insert(all.tokens.end(), block.rows.tokens.begin(), block.rows.tokens.end());
      std::ranges::transform(block.rows.ends, std::back_inserter(all.ends),
                             [offset](std::int32_t end) { return offset + end; });
      block.rows = {};
    }
    return all;
  }

 private:
  struct Block {
    TokenRows rows;
    std::exception_ptr failure;
  };

  void encode(std::size_t index, TokenRows& rows) const {
    const std::size_t begin = index * kTextsPerBlock;
    const std::size_t end = std::min(begin + kTextsPerBlock, texts_.size());
    rows.ends.reserve(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      if (abort_.is_set() || closing_.is_set()) throw aborted();
      const std::string name = "texts[" + std::to_string(i) + "]";
      vocabulary_.encode_to(rows.tokens, to_checked_utf8(texts_[i], name), options_.add_special,
                            options_.parse_special, name);
      rows.ends.push_back(static_cast<std::int32_t>(rows.tokens.size()));
    }
  }

  const Vocabulary& vocabulary_;
  const std::vector<std::u16string>& texts_;
  const EncodeOptions options_;
  const AbortFlag& abort_;
  const AbortFlag& closing_;
  std::vector<Block> blocks_;
  std::atomic<std::size_t> next_{0};
};

// Threads that are joined however the call ends.
class Helpers {
 public:
  Helpers(Batch& batch, std::size_t count) {
    try {
      for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([&batch] { batch.work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do it all.
    }
  }
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers() {
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

int encoding_threads(std::size_t code_units, int most) {
  const std::size_t worth = code_units / kUnitsPerThread;
  return std::max(1, static_cast<int>(std::min<std::size_t>(
                         worth, static_cast<std::size_t>(std::max(1, most)))));
}

TokenRows encode_batch(const Vocabulary& vocabulary, const std::vector<std::u16string>& texts,
                       EncodeOptions options, int threads, const AbortFlag& abort,
                       const AbortFlag& closing) {
  Batch batch(vocabulary, texts, options, abort, closing);
  {
    const std::size_t useful = std::min(batch.blocks(), static_cast<std::size_t>(threads));
    const Helpers helpers(batch, useful > 0 ? useful - 1 : 0);
    batch.work();
  }
  return batch.join();
}

}  // namespace mobillm::llamacpp
