#include "offload.hpp"

#include <algorithm>
#include <utility>

#include "devices.hpp"
#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

// The library counts the output as one more layer behind the last; it goes with that.
std::int32_t to_layers(const Offload& offload) {
  if (offload.layers != Offload::Layers::kCount) return -1;
  return static_cast<std::int32_t>(offload.count) + 1;
}

// Shares by which the library gives every device exactly its layers.
std::vector<float> to_tensor_split(const Offload& offload) {
  const std::uint32_t layers =
      offload.layers == Offload::Layers::kCount ? offload.count : offload.model_layers;
  const std::vector<std::uint32_t> counts = share_layers(offload.shares, layers);
  std::vector<float> split(counts.begin(), counts.end());
  split.back() += 1;  // the output
  return split;
}

}  // namespace

std::vector<std::uint32_t> share_layers(const std::vector<double>& shares, std::uint32_t layers) {
  double sum = 0;
  for (const double share : shares) sum += share;
  std::vector<std::uint32_t> counts;
  std::vector<std::pair<double, std::size_t>> remainders;
  std::uint32_t given = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double exact = shares[i] / sum * layers;
    counts.push_back(static_cast<std::uint32_t>(exact));
    given += counts.back();
    remainders.emplace_back(counts.back() - exact, i);
  }
  std::ranges::sort(remainders);
  for (std::size_t i = 0; given < layers; ++i, ++given) ++counts[remainders[i].second];
  return counts;
}

OffloadParams::OffloadParams(const Offload& offload) : repack_(offload.repack) {
  if (!offload.is_cpu_only()) {
    for (const std::string& id : offload.devices) {
      ggml_backend_dev_t device = find_device(id);
      if (device == nullptr || !takes_layers(device)) {
        throw InvalidArgument(InvalidArgument::Kind::kRange, "devices",
                              "there is no device \"" + id + "\" that takes layers of a model");
      }
      devices_.push_back(device);
    }
    shares_ = to_tensor_split(offload);
    layers_ = to_layers(offload);
  }
  devices_.push_back(nullptr);
  shares_.resize(std::max(shares_.size(), llama_max_devices()));
}

void OffloadParams::apply(llama_model_params& params) const {
  // An empty list, and not none: with none the library takes every device that it finds.
  params.devices = const_cast<ggml_backend_dev_t*>(devices_.data());
  params.tensor_split = shares_.data();
  params.split_mode = LLAMA_SPLIT_MODE_LAYER;
  params.n_gpu_layers = layers_;
  params.use_extra_bufts = repack_;
}

}  // namespace mobillm::llamacpp
