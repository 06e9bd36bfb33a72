// Which devices hold which part of a model.
#pragma once

#include <llama.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mobillm::llamacpp {

// Wanted, as the caller says it.
struct Offload {
  enum class Layers { kFit, kAll, kCount };

  // Devices beside the CPU, by id; the first one gets the first layers. None: the CPU alone.
  std::vector<std::string> devices;
  // How the layers that go to devices are shared out between them: one positive number each.
  std::vector<double> shares;
  // Memory of each that may be used, in bytes, where that is not left to the device: as many as
  // devices, or none.
  std::vector<std::optional<std::uint64_t>> budgets;
  // `kFit`: as many as their free memory holds.
  Layers layers = Layers::kAll;
  // For `kCount`: this many of the last ones.
  std::uint32_t count = 0;
  // Layers of the model.
  std::uint32_t model_layers = 0;
  // Whether weights may be laid out anew for the CPU when they are loaded.
  bool repack = true;

  bool is_cpu_only() const { return devices.empty() || (layers == Layers::kCount && count == 0); }
};

// Whole layers by share, by the method of largest remainders; they sum up to `layers`.
std::vector<std::uint32_t> share_layers(const std::vector<double>& shares, std::uint32_t layers);

// An offload in the form that the library takes; the parameters that it was applied to point into
// it.
class OffloadParams {
 public:
  // Throws INVALID_ARGUMENT for a device that is not there or that takes no layers.
  explicit OffloadParams(const Offload& offload);
  OffloadParams(const OffloadParams&) = delete;
  OffloadParams& operator=(const OffloadParams&) = delete;

  void apply(llama_model_params& params) const;

  const std::vector<ggml_backend_dev_t>& devices() const { return devices_; }

 private:
  std::vector<ggml_backend_dev_t> devices_;  // ends with null
  std::vector<float> shares_;                // as many as the library wants
  std::int32_t layers_ = 0;
  bool repack_ = true;
};

}  // namespace mobillm::llamacpp
