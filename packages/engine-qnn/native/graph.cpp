#include "graph.hpp"

#include <limits>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

std::vector<abi::Tensor> arguments_for(std::vector<TensorInfo>& tensors) {
  std::vector<abi::Tensor> arguments;
  arguments.reserve(tensors.size());
  for (TensorInfo& tensor : tensors) arguments.push_back(to_abi(tensor));
  return arguments;
}

}  // namespace

Graph::Graph(const Context& context, abi::Handle handle, std::string name,
             std::vector<TensorInfo> inputs, std::vector<TensorInfo> outputs)
    : context_(&context),
      handle_(handle),
      name_(std::move(name)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      input_buffers_(inputs_.size()),
      output_buffers_(outputs_.size()),
      input_arguments_(arguments_for(inputs_)),
      output_arguments_(arguments_for(outputs_)) {}

void Graph::bind_input(std::size_t index, std::span<std::byte> buffer) {
  input_buffers_.at(index) = buffer;
}

void Graph::bind_output(std::size_t index, std::span<std::byte> buffer) {
  output_buffers_.at(index) = buffer;
}

void Graph::check(const std::vector<TensorInfo>& tensors,
                  const std::vector<std::span<std::byte>>& buffers,
                  std::vector<abi::Tensor>& arguments) const {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t needed = tensors[i].bytes();
    if (buffers[i].size() != needed || needed > std::numeric_limits<std::uint32_t>::max()) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, tensors[i].name,
                            "of the graph " + name_ + " takes " + std::to_string(needed) +
                                " bytes, but its buffer has " + std::to_string(buffers[i].size()));
    }
    arguments[i].buffer = {buffers[i].data(), static_cast<std::uint32_t>(needed)};
  }
}

void Graph::execute() {
  check(inputs_, input_buffers_, input_arguments_);
  check(outputs_, output_buffers_, output_arguments_);
  context_->library().call("compute the graph " + name_, abi::kGraphExecute, handle_,
                           static_cast<const abi::Tensor*>(input_arguments_.data()),
                           static_cast<std::uint32_t>(input_arguments_.size()),
                           output_arguments_.data(),
                           static_cast<std::uint32_t>(output_arguments_.size()),
                           static_cast<abi::Handle>(nullptr), static_cast<abi::Handle>(nullptr));
}

}  // namespace mobillm::qnn
