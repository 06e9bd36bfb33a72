// Buffer sizes out of the library's log: the C API has no call that tells them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mobillm::llamacpp {

// Bytes by purpose, summed over the buffers of all devices. A member is empty when no line of the
// log named such a buffer.
struct MemoryReport {
  std::optional<std::uint64_t> kv_cache;
  std::optional<std::uint64_t> compute;
  std::optional<std::uint64_t> output;
};

// Reads the lines that the pinned release writes while it makes a context:
//   llama_kv_cache: size =   90.00 MiB (  4096 cells,  30 layers,  1/1 seqs), K (f16): …
//   llama_memory_recurrent: size =    1.50 MiB (     1 cells, …
//   sched_reserve:        CPU compute buffer size =   129.75 MiB
//   llama_context:        CPU  output buffer size =     0.19 MiB
// Sizes are rounded up to the hundredth of a mebibyte that the log rounds to.
MemoryReport parse_memory_report(std::string_view log);

}  // namespace mobillm::llamacpp
