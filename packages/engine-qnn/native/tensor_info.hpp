// What is known of a graph's tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qnn_abi.hpp"

namespace mobillm::qnn {

using Dimensions = std::vector<std::uint32_t>;

struct TensorInfo {
  std::uint32_t id = 0;
  std::string name;
  abi::TensorType type = abi::TensorType::kNative;
  abi::DataType data_type = abi::DataType::kFloat16;
  Dimensions dimensions;
  std::optional<abi::ScaleOffset> quantization;  // per tensor

  std::size_t elements() const;
  // Throws MODEL_UNSUPPORTED for a number format of unknown size.
  std::size_t bytes() const;
};

// `f16`, `i32`, `ufixed8`, …; `0x…` for a number that is not known.
std::string data_type_name(abi::DataType type);

// Bytes of an element; 0 for a format that is not known.
std::size_t element_bytes(abi::DataType type);

// Copies what a library says of a tensor. Throws MODEL_INVALID for a version, rank or size that no
// sound library gives.
TensorInfo read_tensor(const abi::Tensor& tensor);

// The library's form of it, pointing into `info`, which has to stay where it is.
abi::Tensor to_abi(TensorInfo& info);

}  // namespace mobillm::qnn
