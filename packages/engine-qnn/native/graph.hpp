// A finalized graph, ready to run.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "context.hpp"
#include "tensor_info.hpp"

namespace mobillm::qnn {

// One thread at a time; the context outlives it. The buffers belong to the caller and stay bound
// from call to call.
class Graph {
 public:
  // `inputs` and `outputs` are all of the graph's, as the system library or the builder tells them.
  Graph(const Context& context, abi::Handle handle, std::string name,
        std::vector<TensorInfo> inputs, std::vector<TensorInfo> outputs);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const std::string& name() const { return name_; }
  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }

  // Where an input is read from, or an output written to, in this and all later calls.
  void bind_input(std::size_t index, std::span<std::byte> buffer);
  void bind_output(std::size_t index, std::span<std::byte> buffer);

  // Computes. QNN checks no size, and would read and write beyond a buffer: every one is compared
  // with its tensor before each call, and INVALID_ARGUMENT thrown when it differs.
  void execute();

 private:
  void check(const std::vector<TensorInfo>& tensors,
             const std::vector<std::span<std::byte>>& buffers,
             std::vector<abi::Tensor>& arguments) const;

  const Context* context_;
  abi::Handle handle_;
  std::string name_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::vector<std::span<std::byte>> input_buffers_;
  std::vector<std::span<std::byte>> output_buffers_;
  std::vector<abi::Tensor> input_arguments_;
  std::vector<abi::Tensor> output_arguments_;
};

}  // namespace mobillm::qnn
