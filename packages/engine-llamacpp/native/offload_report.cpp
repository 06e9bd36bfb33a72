#include "offload_report.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace mobillm::llamacpp {

namespace {

constexpr std::string_view kDevice = " assigned to device ";

struct AssignedLayer {
  int layer = -1;
  std::string device;
};

// What a line tells; layer −1 when it tells nothing.
AssignedLayer parse_line(std::string_view line) {
  if (!line.starts_with(kOffloadLine)) return {};
  line.remove_prefix(kOffloadLine.size());
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  AssignedLayer assigned;
  const auto number = std::from_chars(line.data(), line.data() + line.size(), assigned.layer);
  line.remove_prefix(static_cast<std::size_t>(number.ptr - line.data()));
  const std::size_t end = line.find(',');
  if (number.ec != std::errc() || !line.starts_with(kDevice) || end == std::string_view::npos) {
    return {};
  }
  assigned.device = line.substr(kDevice.size(), end - kDevice.size());
  std::ranges::transform(assigned.device, assigned.device.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return assigned;
}

}  // namespace

LayersByDevice parse_offload_report(std::string_view log, int layers) {
  LayersByDevice result;
  int next = 0;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const AssignedLayer assigned = parse_line(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
    if (assigned.layer < 0 || assigned.layer >= layers) continue;
    if (assigned.layer != next) return {};
    ++next;
    const auto row = std::ranges::find(result, assigned.device, &LayersByDevice::value_type::first);
    if (row == result.end()) {
      result.emplace_back(assigned.device, 1);
    } else {
      ++row->second;
    }
  }
  return next == layers ? result : LayersByDevice{};
}

}  // namespace mobillm::llamacpp
