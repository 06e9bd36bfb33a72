// The native half of core's error contract: a code of the closed union, a sentence, plain facts.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mobillm {

// The codes that native code raises, spelled as in core/src/errors/error-code.ts. `kAborted` is the
// only one outside that union: the JavaScript side turns it into the signal's own reason.
namespace code {
inline constexpr const char* kAborted = "ABORTED";
inline constexpr const char* kBusy = "BUSY";
inline constexpr const char* kClosed = "CLOSED";
inline constexpr const char* kContextFull = "CONTEXT_FULL";
inline constexpr const char* kFileNotFound = "FILE_NOT_FOUND";
inline constexpr const char* kGrammarDeadEnd = "GRAMMAR_DEAD_END";
inline constexpr const char* kGrammarInvalid = "GRAMMAR_INVALID";
inline constexpr const char* kInvalidArgument = "INVALID_ARGUMENT";
inline constexpr const char* kIoFailed = "IO_FAILED";
inline constexpr const char* kKvMismatch = "KV_MISMATCH";
inline constexpr const char* kModelInvalid = "MODEL_INVALID";
inline constexpr const char* kIntegrityFailed = "INTEGRITY_FAILED";
inline constexpr const char* kModelUnsupported = "MODEL_UNSUPPORTED";
inline constexpr const char* kNativeFailure = "NATIVE_FAILURE";
inline constexpr const char* kOutOfMemory = "OUT_OF_MEMORY";
inline constexpr const char* kUnsupported = "UNSUPPORTED";
}  // namespace code

// A failure with a code. Thrown on any thread; crosses to JavaScript by js_error.hpp.
class Error : public std::runtime_error {
 public:
  using Value = std::variant<bool, double, std::string>;
  // Facts beside the sentence, in order, by name.
  using Details = std::vector<std::pair<std::string, Value>>;

  Error(const char* code, const std::string& message, Details details = {})
      : std::runtime_error(message), code_(code), details_(std::move(details)) {}

  const std::string& code() const noexcept { return code_; }
  const Details& details() const noexcept { return details_; }

 private:
  std::string code_;
  Details details_;
};

// A wrong call. Becomes a TypeError or a RangeError in JavaScript, naming the key at fault.
class InvalidArgument : public Error {
 public:
  enum class Kind { kType, kRange };

  // `sentence` follows the key: `"threads": must be at most 8, but it is 9`.
  InvalidArgument(Kind kind, const std::string& key, const std::string& sentence)
      : Error(code::kInvalidArgument,
              '"' + key + '"' + (kind == Kind::kType ? " " : ": ") + sentence),
        kind_(kind),
        key_(key) {}

  Kind kind() const noexcept { return kind_; }
  const std::string& key() const noexcept { return key_; }

 private:
  Kind kind_;
  std::string key_;
};

}  // namespace mobillm
