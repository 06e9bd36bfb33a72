// The JavaScript face of Qualcomm's libraries.
#pragma once

#include <memory>
#include <string>

#include "mobillm/abort_flag.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/serial_worker.hpp"
#include "model.hpp"

namespace mobillm::qnn {

// new Library({ backend, system }) names them, `load()` opens them. JavaScript thread.
class LibraryHandle : public Handle<LibraryHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit LibraryHandle(const Napi::CallbackInfo& info);
  ~LibraryHandle() override;

  void stop_now() noexcept override;

  // The libraries of an object that JavaScript passes. Throws a TypeError for another object,
  // CLOSED before they are loaded and after `close`.
  static Libraries libraries_of(Napi::Value value, const char* key);

 private:
  Napi::Value load(const Info& info);
  Napi::Value inspect(const Info& info);
  Napi::Value close(const Info& info);

  JsEnvironment* environment_;  // null after `stop_now`
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  std::string backend_path_;
  std::string system_path_;
  Libraries libraries_;
  SerialWorker worker_;
};

}  // namespace mobillm::qnn
