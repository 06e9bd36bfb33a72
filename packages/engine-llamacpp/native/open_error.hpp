// The errors of opening a model, worded once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

inline Error aborted() { return {code::kAborted, "The call was aborted."}; }

// The library refused a file whose header was found sound before.
inline Error load_failed(const std::string& path, const std::string& reason) {
  return {code::kModelUnsupported,
          "llama.cpp cannot run the model in " + path + ": " +
              (reason.empty() ? "it gave no reason" : reason) +
              ". Take another file of the model, or one that a newer version of it was made for.",
          {{"path", path}, {"reason", reason}}};
}

// The library refused an adapter that was found sound before.
inline Error adapter_failed(const std::string& path, const std::string& reason) {
  return {code::kModelUnsupported,
          "llama.cpp cannot apply the adapter in " + path +
              " to this model: " + (reason.empty() ? "it gave no reason" : reason) +
              ". Take an adapter that was made for this model.",
          {{"path", path}, {"reason", reason}}};
}

// What is asked for needs more memory than there is: on a device beside the CPU where one is named.
// `subject` begins the sentence; `advice` is a sentence for itself, or empty where the engine's
// TypeScript side, which knows all options, adds what helps.
inline Error out_of_memory(const std::string& subject, std::uint64_t needed,
                           std::uint64_t available, const std::string& device,
                           const std::string& advice, Error::Details details = {}) {
  const auto mebibytes = [](std::uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
  };
  details.emplace_back("neededBytes", static_cast<double>(needed));
  details.emplace_back("availableBytes", static_cast<double>(available));
  if (!device.empty()) details.emplace_back("device", device);
  return {code::kOutOfMemory,
          subject + " " + mebibytes(needed) +
              (device.empty() ? "" : " on the device " + device + ", where") +
              (device.empty() ? ", but only " : " only ") + mebibytes(available) +
              (device.empty() ? " are available." : " are free.") +
              (advice.empty() ? "" : " " + advice),
          std::move(details)};
}

// The same of a model with a context. The advice is the caller's.
inline Error model_out_of_memory(std::uint64_t needed, std::uint64_t available,
                                 std::uint32_t context_tokens, const std::string& device = "") {
  return out_of_memory(
      "The model with a context of " + std::to_string(context_tokens) + " tokens needs", needed,
      available, device, "", {{"contextTokens", static_cast<double>(context_tokens)}});
}

inline Error context_failed(const std::string& reason) {
  return {code::kUnsupported,
          "llama.cpp cannot make a context with these options: " +
              (reason.empty() ? "it gave no reason" : reason) +
              ". Try the defaults of keyType, valueType and flashAttention.",
          {{"reason", reason}}};
}

// The system keeps weights from being locked, for a reason of its own. `allowed` is the limit of
// this process; empty where there is none or it is not known.
inline Error lock_failed(std::uint64_t weights, const std::string& reason,
                         std::optional<std::uint64_t> allowed) {
  Error::Details details{{"weightBytes", static_cast<double>(weights)}, {"reason", reason}};
  std::string limit;
  if (allowed) {
    details.emplace_back("lockableBytes", static_cast<double>(*allowed));
    limit = " This process may lock " + std::to_string(*allowed >> 10) +
            " KiB: raise that limit (RLIMIT_MEMLOCK; \"ulimit -l\", or LimitMEMLOCK of its "
            "service) where it is less.";
  }
  return {code::kUnsupported,
          "The weights, " + std::to_string((weights + 1023) >> 10) +
              " KiB, could not be locked in memory: " + reason + "." + limit +
              " Or open the model with weights \"mapped\" or \"copied\".",
          std::move(details)};
}

}  // namespace mobillm::llamacpp
