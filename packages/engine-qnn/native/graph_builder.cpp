#include "graph_builder.hpp"

#include <array>
#include <bit>
#include <limits>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

// Levels are 1 to 3; the highest costs time here and none on the device.
constexpr float kOptimizationLevel = 3;

constexpr const char* kPackage = "qti.aisw";

}  // namespace

NodeParameter float_parameter(const char* name, float value) {
  NodeParameter parameter{name};
  parameter.scalar.data_type = abi::DataType::kFloat32;
  parameter.scalar.value.f32 = value;
  return parameter;
}

NodeParameter bool_parameter(const char* name, bool value) {
  NodeParameter parameter{name};
  parameter.scalar.data_type = abi::DataType::kBool8;
  parameter.scalar.value.bool8 = value ? 1 : 0;
  return parameter;
}

NodeParameter int_parameter(const char* name, std::int32_t value) {
  NodeParameter parameter{name};
  parameter.scalar.data_type = abi::DataType::kInt32;
  parameter.scalar.value.i32 = value;
  return parameter;
}

NodeParameter uint_parameter(const char* name, std::uint32_t value) {
  NodeParameter parameter{name};
  parameter.scalar.data_type = abi::DataType::kUint32;
  parameter.scalar.value.u32 = value;
  return parameter;
}

NodeParameter uints_parameter(const char* name, std::vector<std::uint32_t> values) {
  NodeParameter parameter{name};
  parameter.dimensions = {static_cast<std::uint32_t>(values.size())};
  parameter.values = std::move(values);
  return parameter;
}

NodeParameter ints_parameter(const char* name, const std::vector<std::int32_t>& values,
                             Dimensions dimensions) {
  NodeParameter parameter{name};
  for (const std::int32_t value : values) {
    parameter.values.push_back(std::bit_cast<std::uint32_t>(value));
  }
  parameter.dimensions = std::move(dimensions);
  parameter.data_type = abi::DataType::kInt32;
  return parameter;
}

GraphBuilder::GraphBuilder(const Context& context, std::string name, const AbortFlag& abort)
    : context_(&context), name_(std::move(name)), abort_(&abort) {
  abi::HtpGraphConfig precision;
  precision.option = abi::kHtpGraphPrecision;
  precision.value.u32 = abi::kHtpPrecisionFloat16;
  abi::HtpGraphConfig optimization;
  optimization.option = abi::kHtpGraphOptimization;
  optimization.value.optimization = {abi::kHtpOptimizationLevel, kOptimizationLevel};
  const abi::Config first{0, &precision};
  const abi::Config second{0, &optimization};
  const std::array<const abi::Config*, 3> configs{&first, &second, nullptr};
  library().call("make the graph " + name_, abi::kGraphCreate, context_->handle(), name_.c_str(),
                 configs.data(), &handle_);
}

void GraphBuilder::check_abort() const {
  if (abort_->is_set()) throw Error(code::kAborted, "The compilation was aborted.");
}

TensorInfo& GraphBuilder::add(std::string name, abi::TensorType type, abi::DataType data_type,
                              Dimensions dimensions, std::span<const std::byte> data) {
  check_abort();
  TensorInfo& info = tensors_.emplace_back(
      TensorInfo{0, std::move(name), type, data_type, std::move(dimensions), {}});
  abi::Tensor tensor = to_abi(info);
  if (type == abi::TensorType::kStatic) {
    if (data.size() != info.bytes() || data.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, info.name,
                            "takes " + std::to_string(info.bytes()) + " bytes, but it has " +
                                std::to_string(data.size()));
    }
    // The library takes a pointer that it could write through, and only reads.
    tensor.buffer = {const_cast<std::byte*>(data.data()), static_cast<std::uint32_t>(data.size())};
  }
  library().call("add the tensor " + info.name, abi::kTensorCreateGraphTensor, handle_, &tensor);
  info.id = tensor.id;
  return info;
}

Value GraphBuilder::input(const std::string& name, abi::DataType type, Dimensions dimensions) {
  return &add(name, abi::TensorType::kInput, type, std::move(dimensions));
}

Value GraphBuilder::output(const std::string& name, abi::DataType type, Dimensions dimensions) {
  return &add(name, abi::TensorType::kOutput, type, std::move(dimensions));
}

Value GraphBuilder::between(abi::DataType type, Dimensions dimensions) {
  return &add("between_" + std::to_string(tensors_.size()), abi::TensorType::kNative, type,
              std::move(dimensions));
}

Value GraphBuilder::constant(const std::string& name, abi::DataType type, Dimensions dimensions,
                             std::span<const std::byte> data) {
  return &add(name, abi::TensorType::kStatic, type, std::move(dimensions), data);
}

void GraphBuilder::node(const char* operation, std::vector<Value> inputs,
                        std::vector<Value> outputs, std::vector<NodeParameter> parameters) {
  check_abort();
  const std::string name = std::string(operation) + '_' + std::to_string(node_count_);
  const auto list = [](const std::vector<Value>& values) {
    std::vector<abi::Tensor> tensors;
    for (const Value value : values) tensors.push_back(to_abi(const_cast<TensorInfo&>(*value)));
    return tensors;
  };
  std::vector<abi::Tensor> in = list(inputs);
  std::vector<abi::Tensor> out = list(outputs);
  std::vector<abi::Parameter> rows(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const NodeParameter& parameter = parameters[i];
    rows[i].name = parameter.name;
    if (parameter.values.empty()) {
      rows[i].value.scalar = parameter.scalar;
      continue;
    }
    rows[i].kind = 1;
    const std::span<const std::uint32_t> values(parameter.values);
    TensorInfo& info = add(name + '_' + parameter.name, abi::TensorType::kStatic,
                           parameter.data_type, parameter.dimensions, std::as_bytes(values));
    rows[i].value.tensor = to_abi(info);
    rows[i].value.tensor.buffer = {const_cast<std::uint32_t*>(values.data()),
                                   static_cast<std::uint32_t>(values.size_bytes())};
  }
  abi::OpConfig config;
  config.name = name.c_str();
  config.package = kPackage;
  config.type = operation;
  config.parameter_count = static_cast<std::uint32_t>(rows.size());
  config.parameters = rows.data();
  config.input_count = static_cast<std::uint32_t>(in.size());
  config.inputs = in.data();
  config.output_count = static_cast<std::uint32_t>(out.size());
  config.outputs = out.data();
  const std::string doing = "take the node " + name + " of the graph " + name_;
  library().call(doing, abi::kBackendValidateOpConfig, context_->device().backend(), config);
  library().call(doing, abi::kGraphAddNode, handle_, config);
  ++node_count_;
}

std::unique_ptr<Graph> GraphBuilder::finalize() {
  check_abort();
  library().call("finalize the graph " + name_, abi::kGraphFinalize, handle_,
                 static_cast<abi::Handle>(nullptr), static_cast<abi::Handle>(nullptr));
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  for (TensorInfo& tensor : tensors_) {
    if (tensor.type == abi::TensorType::kInput) inputs.push_back(std::move(tensor));
    if (tensor.type == abi::TensorType::kOutput) outputs.push_back(std::move(tensor));
  }
  return std::make_unique<Graph>(*context_, handle_, name_, std::move(inputs), std::move(outputs));
}

}  // namespace mobillm::qnn
