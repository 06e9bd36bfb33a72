// The JavaScript face of an adapter.
#pragma once

#include <memory>
#include <vector>

#include "mobillm/adapter.hpp"
#include "mobillm/handle.hpp"

namespace mobillm {

// Made by an engine's model. Closed once; what was not closed goes with its model.
class AdapterHandle : public Handle<AdapterHandle> {
 public:
  // Called by SequenceHandle::define.
  static void define(Napi::Env env, JsEnvironment& environment);

  // The object for an adapter that was just loaded; `model` is kept from being collected by it.
  static Napi::Object create(JsEnvironment& environment, Napi::Env env,
                             std::shared_ptr<Adapter> adapter, Napi::Object model);

  // Called by `create` alone.
  explicit AdapterHandle(const Napi::CallbackInfo& info);
  ~AdapterHandle() override;

  // Throws CLOSED.
  const std::shared_ptr<Adapter>& adapter() const;

 private:
  Napi::Value close(const Info& info);

  std::shared_ptr<Adapter> adapter_;
  Napi::ObjectReference model_;
};

// Reads adapters of a model and their scales; an adapter whose scale is 0 is left out. Throws
// InvalidArgument, and CLOSED for an adapter that was closed.
std::vector<AdapterUse> read_adapters(Napi::Value adapters, Napi::Value scales,
                                      const SequenceModel& model);

}  // namespace mobillm
