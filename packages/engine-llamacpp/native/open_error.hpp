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

inline Error adapter_out_of_memory(std::uint64_t needed, std::uint64_t available) {
  const auto mebibytes = [](std::uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
  };
  return {code::kOutOfMemory,
          "The adapter needs " + mebibytes(needed) + ", but only " + mebibytes(available) +
              " are available. Close other adapters, models or programs.",
          {{"neededBytes", static_cast<double>(needed)},
           {"availableBytes", static_cast<double>(available)}}};
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

inline Error out_of_memory(std::uint64_t needed, std::uint64_t available,
                           std::uint32_t context_tokens) {
  const auto mebibytes = [](std::uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
  };
  return {code::kOutOfMemory,
          "The model with a context of " + std::to_string(context_tokens) + " tokens needs " +
              mebibytes(needed) + ", but only " + mebibytes(available) +
              " are available. Choose a smaller contextTokens or a smaller model, or close other "
              "programs.",
          {{"neededBytes", static_cast<double>(needed)},
           {"availableBytes", static_cast<double>(available)},
           {"contextTokens", static_cast<double>(context_tokens)}}};
}

// A device beside the CPU is too small for its part of a model.
inline Error device_out_of_memory(const std::string& device, std::uint64_t needed,
                                  std::uint64_t available, std::uint32_t context_tokens) {
  const auto mebibytes = [](std::uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
  };
  return {code::kOutOfMemory,
          "The model with a context of " + std::to_string(context_tokens) + " tokens needs " +
              mebibytes(needed) + " on the device " + device + ", where only " +
              mebibytes(available) +
              " are free. Choose fewer gpuLayers, or \"auto\", a smaller contextTokens or another "
              "device.",
          {{"device", device},
           {"neededBytes", static_cast<double>(needed)},
           {"availableBytes", static_cast<double>(available)},
           {"contextTokens", static_cast<double>(context_tokens)}}};
}

}  // namespace mobillm::llamacpp
