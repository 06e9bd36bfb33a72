// Qualcomm's shared libraries, opened by path, and their tables of functions.
#pragma once

#include <cstdint>
#include <string>

#include "library_log.hpp"
#include "qnn_abi.hpp"
#include "status.hpp"

namespace mobillm::qnn {

// A shared library; closed with its owner. The HTP emulator cannot be unloaded and stays.
class SharedLibrary {
 public:
  // Throws FILE_NOT_FOUND; ADDON_INCOMPATIBLE with the system's own reason.
  explicit SharedLibrary(const std::string& path);
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;
  ~SharedLibrary();

  const std::string& path() const { return path_; }

  // Throws ADDON_INCOMPATIBLE when there is no such symbol.
  void* symbol(const char* name) const;

 private:
  std::string path_;
  void* handle_ = nullptr;
};

[[noreturn]] void throw_missing_function(const char* name);

// The function in a slot of a table; throws UNSUPPORTED, naming it, when the slot is empty.
template <typename Function>
Function* table_function(void (*const* table)(), const abi::Slot<Function>& slot) {
  void (*const function)() = table[slot.index];
  if (function == nullptr) throw_missing_function(slot.name);
  return reinterpret_cast<Function*>(function);
}

std::string version_text(const abi::Version& version);

// A back end's library: HTP, or another one with the same table. Any thread.
class Library {
 public:
  // Opens a back end. Throws as SharedLibrary does, and ADDON_INCOMPATIBLE for a library that
  // provides no back end, another major version of the API, or one older than was measured.
  explicit Library(const std::string& path);

  std::uint32_t backend_id() const { return interface_->backend_id; }
  // Empty for a library that does not say.
  std::string provider() const {
    return interface_->provider_name == nullptr ? std::string() : interface_->provider_name;
  }
  const abi::Version& core_api() const { return interface_->core_api; }
  const abi::Version& backend_api() const { return interface_->backend_api; }
  const std::string& path() const { return shared_.path(); }
  // As the library says itself: `v2.51.0.260929181845`; empty when it does not.
  const std::string& build_id() const { return build_id_; }

  // Calls a function of the table. Throws UNSUPPORTED when it is not there, and the meaning of what
  // it returns unless that is success. `doing` completes "QNN could not …".
  template <typename Function, typename... Arguments>
  void call(const std::string& doing, const abi::Slot<Function>& slot,
            Arguments... arguments) const {
    Function* const function = table_function(interface_->functions, slot);
    const LogCapture log;
    const abi::Status status = function(arguments...);
    if (status != 0) throw_status(status, doing, error_text(status), log.errors());
  }

  // For what frees, and so must not throw; does nothing where there is no such function.
  template <typename Function, typename... Arguments>
  void call_quietly(const abi::Slot<Function>& slot, Arguments... arguments) const noexcept {
    void (*const function)() = interface_->functions[slot.index];
    if (function != nullptr) reinterpret_cast<Function*>(function)(arguments...);
  }

 private:
  std::string error_text(abi::Status status) const;

  SharedLibrary shared_;
  const abi::Interface* interface_ = nullptr;
  std::string build_id_;
};

// The library that reads context binaries without loading them. Any thread.
class SystemLibrary {
 public:
  // As Library.
  explicit SystemLibrary(const std::string& path);

  const abi::Version& api() const { return interface_->system_api; }
  const std::string& path() const { return shared_.path(); }

  template <typename Function>
  Function* function(const abi::Slot<Function>& slot) const {
    return table_function(interface_->functions, slot);
  }

 private:
  SharedLibrary shared_;
  const abi::SystemInterface* interface_ = nullptr;
};

}  // namespace mobillm::qnn
