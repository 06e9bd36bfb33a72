#include "memory_report.hpp"

#include "check.hpp"

using mobillm::llamacpp::parse_memory_report;

namespace {

constexpr std::uint64_t bytes_of(double mebibytes) {
  return static_cast<std::uint64_t>((mebibytes + 0.005) * 1024 * 1024) + 1;
}

}  // namespace

int main() {
  const auto report = parse_memory_report(
      "llama_context: n_ctx         = 4096\n"
      "llama_context:        CPU  output buffer size =     0.19 MiB\n"
      "llama_kv_cache:        CPU KV buffer size =     0.00 MiB\n"
      "llama_kv_cache: size =   90.00 MiB (  4096 cells,  30 layers,  1/1 seqs), K (f16):   45.00 "
      "MiB, V (f16):   45.00 MiB\n"
      "sched_reserve:        CPU compute buffer size =   129.75 MiB\n"
      "sched_reserve: graph nodes  = 937\n");
  CHECK_EQUAL(report.kv_cache.value(), bytes_of(90.00));
  CHECK_EQUAL(report.compute.value(), bytes_of(129.75));
  CHECK_EQUAL(report.output.value(), bytes_of(0.19));

  // A model with a sliding window has two caches, a hybrid one a state beside its cache.
  const auto two = parse_memory_report(
      "llama_kv_cache: size =   10.00 MiB (  4096 cells,   5 layers, …\n"
      "llama_memory_recurrent: size =    1.50 MiB (     1 cells,  30 layers, …\n");
  CHECK_EQUAL(two.kv_cache.value(), bytes_of(10.00) + bytes_of(1.50));
  CHECK(!two.compute);
  CHECK(!two.output);

  // Words that only look alike are no sizes.
  const auto none = parse_memory_report(
      "sched_reserve: CPU compute buffer size of 129.75 MiB, does not match\n"
      "llama_kv_cache: size = many MiB ( 4096 cells\n"
      "llama_kv_cache: size =   90.00 GiB (  4096 cells\n");
  CHECK(!none.kv_cache);
  CHECK(!none.compute);
  CHECK(!parse_memory_report("").output);
}
