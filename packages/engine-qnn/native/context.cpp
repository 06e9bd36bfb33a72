#include "context.hpp"

#include <array>

#include "codes.hpp"

namespace mobillm::qnn {

std::unique_ptr<Context> Context::create(std::unique_ptr<Device> device, bool share_weights) {
  std::unique_ptr<Context> context(new Context(std::move(device)));
  abi::HtpContextConfig sharing;
  sharing.option = abi::kHtpContextWeightSharing;
  sharing.value.flag = true;
  const abi::Config config{0, &sharing};
  const std::array<const abi::Config*, 2> configs{share_weights ? &config : nullptr, nullptr};
  // Adopted once the call has succeeded: a failed one leaves a handle that must not be freed.
  abi::Handle made = nullptr;
  context->library().call("make a context", abi::kContextCreate, context->device().backend(),
                          context->device().handle(), configs.data(), &made);
  context->handle_ = made;
  return context;
}

std::unique_ptr<Context> Context::load(std::unique_ptr<Device> device,
                                       std::span<const std::byte> binary) {
  std::unique_ptr<Context> context(new Context(std::move(device)));
  abi::Handle made = nullptr;
  context->library().call(
      "load the context binary", abi::kContextCreateFromBinary, context->device().backend(),
      context->device().handle(), static_cast<const abi::Config* const*>(nullptr),
      static_cast<const void*>(binary.data()), static_cast<std::uint64_t>(binary.size()), &made,
      static_cast<abi::Handle>(nullptr));
  context->handle_ = made;
  return context;
}

Context::~Context() {
  if (handle_ != nullptr) {
    library().call_quietly(abi::kContextFree, handle_, static_cast<abi::Handle>(nullptr));
  }
}

abi::Handle Context::find_graph(const std::string& name) const {
  abi::Handle graph = nullptr;
  library().call("find the graph " + name, abi::kGraphRetrieve, handle_, name.c_str(), &graph);
  if (graph == nullptr) {
    throw Error(code::kModelInvalid,
                "The context binary has no graph " + name + ". Compile the model again.");
  }
  return graph;
}

std::vector<std::byte> Context::to_binary() const {
  std::uint64_t bytes = 0;
  library().call("tell the size of the context binary", abi::kContextGetBinarySize, handle_,
                 &bytes);
  std::vector<std::byte> binary(bytes);
  std::uint64_t written = 0;
  library().call("make the context binary", abi::kContextGetBinary, handle_,
                 static_cast<void*>(binary.data()), bytes, &written);
  if (written == 0 || written > bytes) {
    throw Error(code::kNativeFailure, "QNN made a context binary of an impossible size.");
  }
  binary.resize(written);
  return binary;
}

}  // namespace mobillm::qnn
