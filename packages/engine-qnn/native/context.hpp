// A context: graphs and their weights on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device.hpp"

namespace mobillm::qnn {

// Owns its device, and is freed before it. One thread at a time.
class Context {
 public:
  // An empty one, to build graphs in. With `share_weights`, graphs that use the same weights keep
  // one copy in the binary.
  static std::unique_ptr<Context> create(std::unique_ptr<Device> device, bool share_weights);

  // From a binary that was checked before: what is wrong with it can end the process inside the
  // library. The binary is not used after this returns.
  static std::unique_ptr<Context> load(std::unique_ptr<Device> device,
                                       std::span<const std::byte> binary);

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  const Library& library() const { return device_->library(); }
  const Device& device() const { return *device_; }
  abi::Handle handle() const { return handle_; }

  // The graph of that name in a loaded binary; belongs to the context. Throws MODEL_INVALID when
  // there is none.
  abi::Handle find_graph(const std::string& name) const;

  // All graphs, finalized before, as a binary.
  std::vector<std::byte> to_binary() const;

 private:
  explicit Context(std::unique_ptr<Device> device) : device_(std::move(device)) {}

  std::unique_ptr<Device> device_;
  abi::Handle handle_ = nullptr;
};

}  // namespace mobillm::qnn
