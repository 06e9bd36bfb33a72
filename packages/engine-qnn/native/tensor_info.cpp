#include "tensor_info.hpp"

#include <array>
#include <cstdio>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

constexpr std::uint32_t kMostDimensions = 8;
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 40;

struct TypeRow {
  abi::DataType type;
  const char* name;
  std::size_t bytes;
};

using enum abi::DataType;
// Four-bit values are stored in a byte each.
constexpr TypeRow kTypes[] = {
    {kInt8, "i8", 1},           {kInt16, "i16", 2},         {kInt32, "i32", 4},
    {kInt64, "i64", 8},         {kUint8, "u8", 1},          {kUint16, "u16", 2},
    {kUint32, "u32", 4},        {kFloat16, "f16", 2},       {kFloat32, "f32", 4},
    {kSfixed4, "sfixed4", 1},   {kSfixed8, "sfixed8", 1},   {kSfixed16, "sfixed16", 2},
    {kSfixed32, "sfixed32", 4}, {kUfixed4, "ufixed4", 1},   {kUfixed8, "ufixed8", 1},
    {kUfixed16, "ufixed16", 2}, {kUfixed32, "ufixed32", 4}, {kBool8, "bool8", 1},
};

const TypeRow* row_of(abi::DataType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

[[noreturn]] void throw_unsound(const std::string& what) {
  throw Error(code::kModelInvalid, "The context binary is damaged: " + what + ".");
}

}  // namespace

std::size_t TensorInfo::elements() const {
  std::size_t count = 1;
  for (const std::uint32_t length : dimensions) count *= length;
  return count;
}

std::size_t TensorInfo::bytes() const {
  const std::size_t each = element_bytes(data_type);
  if (each == 0) {
    throw Error(code::kModelUnsupported, "The tensor " + name + " has the number format " +
                                             data_type_name(data_type) +
                                             ", which this engine does not know.");
  }
  return elements() * each;
}

std::string data_type_name(abi::DataType type) {
  if (const TypeRow* row = row_of(type)) return row->name;
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", static_cast<unsigned>(type));
  return text.data();
}

std::size_t element_bytes(abi::DataType type) {
  const TypeRow* row = row_of(type);
  return row == nullptr ? 0 : row->bytes;
}

TensorInfo read_tensor(const abi::Tensor& tensor) {
  if (tensor.version != 1 && tensor.version != 2) throw_unsound("a tensor has no known version");
  if (tensor.name == nullptr) throw_unsound("a tensor has no name");
  TensorInfo info;
  info.id = tensor.id;
  info.name = tensor.name;
  info.type = tensor.type;
  info.data_type = tensor.data_type;
  if (tensor.rank > kMostDimensions || (tensor.rank > 0 && tensor.dimensions == nullptr)) {
    throw_unsound("the tensor " + info.name + " has an impossible number of dimensions");
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < tensor.rank; ++i) {
    const std::uint32_t length = tensor.dimensions[i];
    if (length == 0 || elements > kMostElements / length) {
      throw_unsound("the tensor " + info.name + " has an impossible size");
    }
    elements *= length;
    info.dimensions.push_back(length);
  }
  if (tensor.quantization.definition == abi::kQuantizationDefined &&
      tensor.quantization.encoding == abi::kEncodingScaleOffset) {
    info.quantization = tensor.quantization.parameters.scale_offset;
  }
  return info;
}

abi::Tensor to_abi(TensorInfo& info) {
  abi::Tensor tensor;
  tensor.id = info.id;
  tensor.name = info.name.c_str();
  tensor.type = info.type;
  tensor.data_type = info.data_type;
  tensor.rank = static_cast<std::uint32_t>(info.dimensions.size());
  tensor.dimensions = info.dimensions.data();
  if (info.quantization) {
    tensor.quantization.definition = abi::kQuantizationDefined;
    tensor.quantization.encoding = abi::kEncodingScaleOffset;
    tensor.quantization.parameters.scale_offset = *info.quantization;
  }
  return tensor;
}

}  // namespace mobillm::qnn
