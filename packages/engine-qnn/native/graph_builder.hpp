// Builds a graph node by node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "context.hpp"
#include "graph.hpp"
#include "mobillm/abort_flag.hpp"
#include "tensor_info.hpp"

namespace mobillm::qnn {

// A tensor of a graph that is being built; belongs to its builder.
using Value = const TensorInfo*;

// A scalar or tensor parameter of a node.
struct NodeParameter {
  const char* name;
  abi::Scalar scalar{};
  // Set for a tensor parameter; the scalar is not used then.
  std::vector<std::uint32_t> values{};
  Dimensions dimensions{};
  abi::DataType data_type = abi::DataType::kUint32;
};

NodeParameter float_parameter(const char* name, float value);
NodeParameter bool_parameter(const char* name, bool value);
NodeParameter int_parameter(const char* name, std::int32_t value);
NodeParameter uint_parameter(const char* name, std::uint32_t value);
NodeParameter uints_parameter(const char* name, std::vector<std::uint32_t> values);
// Signed values of shape `dimensions`.
NodeParameter ints_parameter(const char* name, const std::vector<std::int32_t>& values,
                             Dimensions dimensions);

// Adds tensors and nodes to a graph in a context. Every node is offered to the back end's validator
// first, which says what is wrong with it. Each addition throws ABORTED once `abort` is set.
class GraphBuilder {
 public:
  // The graph computes in half precision where it computes in floats. `abort` outlives the builder.
  GraphBuilder(const Context& context, std::string name, const AbortFlag& abort);
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  Value input(const std::string& name, abi::DataType type, Dimensions dimensions);
  // An output, to be passed to `node` as its result.
  Value output(const std::string& name, abi::DataType type, Dimensions dimensions);
  // Something between two nodes.
  Value between(abi::DataType type, Dimensions dimensions);
  // A constant. The library copies the data.
  Value constant(const std::string& name, abi::DataType type, Dimensions dimensions,
                 std::span<const std::byte> data);

  // Adds an operation of Qualcomm's standard package. `inputs` and `outputs` are this builder's.
  void node(const char* operation, std::vector<Value> inputs, std::vector<Value> outputs,
            std::vector<NodeParameter> parameters = {});

  // Has the library compile what was added; takes seconds to minutes and cannot be interrupted.
  // Throws MODEL_UNSUPPORTED, OUT_OF_MEMORY. The builder is not used afterwards.
  std::unique_ptr<Graph> finalize();

  std::size_t node_count() const { return node_count_; }

 private:
  TensorInfo& add(std::string name, abi::TensorType type, abi::DataType data_type,
                  Dimensions dimensions, std::span<const std::byte> data = {});
  void check_abort() const;
  const Library& library() const { return context_->library(); }

  const Context* context_;
  std::string name_;
  const AbortFlag* abort_;
  abi::Handle handle_ = nullptr;
  std::deque<TensorInfo> tensors_;  // stay where they are
  std::size_t node_count_ = 0;
};

}  // namespace mobillm::qnn
