#include "memory_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace mobillm::llamacpp {

namespace {

// Bytes of the `= 12.34 MiB` after `label`; empty when the line does not have it.
std::optional<std::uint64_t> size_after(std::string_view line, std::string_view label) {
  const std::size_t found = line.find(label);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string rest(line.substr(found + label.size()));
  const std::size_t equals = rest.find('=');
  if (equals == std::string::npos || rest.find_first_not_of(' ') != equals) return std::nullopt;
  char* end = nullptr;
  const double mebibytes = std::strtod(rest.c_str() + equals + 1, &end);
  if (end == rest.c_str() + equals + 1 || std::string_view(end).substr(0, 4) != " MiB") {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(std::ceil((mebibytes + 0.005) * 1024 * 1024));
}

void add(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& bytes) {
  if (bytes) sum = sum.value_or(0) + *bytes;
}

}  // namespace

MemoryReport parse_memory_report(std::string_view log) {
  MemoryReport report;
  std::size_t start = 0;
  while (start < log.size()) {
    const std::size_t end = std::min(log.find('\n', start), log.size());
    const std::string_view line = log.substr(start, end - start);
    start = end + 1;
    if (line.find(" cells") != std::string_view::npos)
      add(report.kv_cache, size_after(line, ": size"));
    add(report.compute, size_after(line, "compute buffer size"));
    add(report.output, size_after(line, "output buffer size"));
  }
  return report;
}

}  // namespace mobillm::llamacpp
