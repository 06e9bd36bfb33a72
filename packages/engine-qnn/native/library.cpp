#include "library.hpp"

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include "codes.hpp"
#include "elf_check.hpp"

namespace mobillm::qnn {

namespace {

constexpr std::uint32_t kCoreMajor = 2;
// The oldest whose table was measured.
constexpr std::uint32_t kCoreMinor = 18;
constexpr std::uint32_t kSystemMajor = 1;
// More than any library provides; a count beyond it is not one.
constexpr std::uint32_t kMostProviders = 16;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(code::kAddonIncompatible, "The library " + path + " cannot be used: " + why,
              {{"path", path}});
}

// The first provider whose major version is `major`, or the first of all.
template <typename Provider, typename Version>
const Provider* choose_provider(const SharedLibrary& library, const char* symbol,
                                std::uint32_t major, Version version) {
  using Get = abi::Status(const Provider* const** list, std::uint32_t* count);
  const Provider* const* list = nullptr;
  std::uint32_t count = 0;
  const abi::Status status = reinterpret_cast<Get*>(library.symbol(symbol))(&list, &count);
  if (status != 0 || list == nullptr || count == 0 || count > kMostProviders) {
    refuse(library.path(), "it provides no interface of QNN's.");
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (list[i] != nullptr && version(*list[i]).major == major) return list[i];
  }
  if (list[0] == nullptr) refuse(library.path(), "it provides no interface of QNN's.");
  refuse(library.path(), "its API is version " + version_text(version(*list[0])) +
                             ", and this engine knows version " + std::to_string(major) +
                             ". Use QNN's libraries of a version that the engine's README names.");
}

}  // namespace

std::string version_text(const abi::Version& version) {
  return std::to_string(version.major) + '.' + std::to_string(version.minor) + '.' +
         std::to_string(version.patch);
}

void throw_missing_function(const char* name) {
  throw Error(code::kUnsupported,
              std::string("The QNN library has no function ") + name +
                  ". Use a library of a later version, or of another back end.",
              {{"function", std::string(name)}});
}

#ifdef _WIN32

SharedLibrary::SharedLibrary(const std::string& path) : path_(path) {
  throw Error(code::kUnsupported, "This engine does not open QNN's libraries on Windows yet.");
}
SharedLibrary::~SharedLibrary() = default;
void* SharedLibrary::symbol(const char* name) const { throw_missing_function(name); }

#else

SharedLibrary::SharedLibrary(const std::string& path) : path_(path) {
  check_shared_library(path);
  const StdoutCapture quiet;
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ != nullptr) return;
  const char* reason = dlerror();
  refuse(path, std::string(reason == nullptr ? "the system gives no reason" : reason) +
                   ". Put all of QNN's libraries of one version beside each other, and check that "
                   "they are for this system.");
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) dlclose(handle_);
}

void* SharedLibrary::symbol(const char* name) const {
  void* const found = dlsym(handle_, name);
  if (found == nullptr) refuse(path_, std::string("it does not export ") + name + ".");
  return found;
}

#endif

Library::Library(const std::string& path) : shared_(path) {
  interface_ = choose_provider<abi::Interface>(shared_, abi::kGetProviders, kCoreMajor,
                                               [](const auto& one) { return one.core_api; });
  if (core_api().minor < kCoreMinor) {
    refuse(path, "its API is version " + version_text(core_api()) + ", and this engine needs 2." +
                     std::to_string(kCoreMinor) + " or later. Use QNN 2.25 or later.");
  }
  const char* text = nullptr;
  call("tell its build", abi::kBackendGetBuildId, &text);
  if (text != nullptr) build_id_ = text;
}

std::string Library::error_text(abi::Status status) const {
  void (*const function)() = interface_->functions[abi::kErrorGetMessage.index];
  const char* text = nullptr;
  if (function == nullptr ||
      reinterpret_cast<abi::Status (*)(abi::Status, const char**)>(function)(status, &text) != 0 ||
      text == nullptr) {
    return {};
  }
  return text;
}

SystemLibrary::SystemLibrary(const std::string& path) : shared_(path) {
  interface_ =
      choose_provider<abi::SystemInterface>(shared_, abi::kGetSystemProviders, kSystemMajor,
                                            [](const auto& one) { return one.system_api; });
}

}  // namespace mobillm::qnn
