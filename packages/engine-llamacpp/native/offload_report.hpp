// Where a model's layers went, out of the library's log: the C API has no call that tells it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mobillm::llamacpp {

// Layers by device id, in the order of the layers.
using LayersByDevice = std::vector<std::pair<std::string, int>>;

// How those lines begin. They are for debugging, so a capture has to ask for them.
inline constexpr std::string_view kOffloadLine = "load_tensors: layer ";

// Reads the lines that the pinned release writes while it loads a model:
//   load_tensors: layer   0 assigned to device CPU, is_swa = 0
// The output, which the library counts as a layer behind the last, is left out. Empty unless each
// of the `layers` is told exactly once.
LayersByDevice parse_offload_report(std::string_view log, int layers);

}  // namespace mobillm::llamacpp
