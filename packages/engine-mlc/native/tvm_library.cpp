#include "tvm_library.hpp"

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>

#include "dynamic_library.hpp"
#include "error_codes.hpp"
#include "mobillm/error.hpp"
#include "object_file.hpp"

namespace mobillm::mlc {

namespace {

constexpr const char* kRemedy =
    "Take it from the Python packages apache-tvm 0.27.0.post1 and apache-tvm-ffi 0.1.15.post2, of "
    "this machine's platform.";

// The C interface was stable from here on. What comes after 0.1 may lay objects out anew.
constexpr std::uint32_t kMajor = 0;
constexpr std::uint32_t kMinor = 1;
constexpr std::uint32_t kLeastPatch = 13;

// The file that a path leads to, links followed: one library has several names.
std::string canonical(const std::string& path) {
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  std::error_code trouble;
  const std::u8string text = std::filesystem::weakly_canonical(native, trouble).u8string();
  return trouble ? path : std::string(text.begin(), text.end());
}

// An idle worker of the runtime spins before it sleeps, 300,000 times unless this says otherwise,
// and does not see meanwhile that its pool is being closed. Each turn gives the processor away: on
// a busy machine that is a scheduler's slice a turn, and closing a model took up to a minute. What
// is left is about a millisecond, longer than the gaps between the parallel parts of a step.
void bound_spinning() {
#ifndef _WIN32
  // The runtime reads it once, when its first worker starts. Whoever has set it knows better.
  setenv("TVM_THREAD_POOL_SPIN_COUNT", "1000", 0);
#endif
}

struct Opened {
  LibraryPaths paths;
  LibraryFacts facts;
};

std::mutex& opening_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Written under the mutex, once; read without it by whoever has waited for that.
TvmFunctions functions;
std::optional<Opened> opened;
// The first tvm-ffi that was opened, whatever came of it. Not empty only where there was one.
std::string first_ffi;

Error incompatible(const std::string& path, const std::string& reason) {
  return {code::kAddonIncompatible,
          "The TVM library " + path + " cannot be used on this machine: " + reason + ". " + kRemedy,
          {{"path", path}, {"reason", reason}}};
}

std::string check_library(const std::string& path, const char* what) {
  return check_object_file(path, {.missing = code::kAddonNotFound,
                                  .invalid = code::kAddonIncompatible,
                                  .foreign = code::kAddonIncompatible,
                                  .what = what,
                                  .remedy = kRemedy});
}

LibraryPtr require_library(const std::string& path) {
  std::string reason;
  LibraryPtr library = open_library(path, reason);
  if (library == nullptr) throw incompatible(path, reason);
  return library;
}

template <typename Function>
void resolve(Function& out, void* library, const std::string& path, const char* name) {
  out = reinterpret_cast<Function>(find_symbol(library, name));
  if (out == nullptr) throw incompatible(path, std::string("it has no function ") + name);
}

abi::Version check_version(void* library, const std::string& path) {
  abi::GetVersion get_version = nullptr;
  resolve(get_version, library, path, "TVMFFIGetVersion");
  first_ffi = path;
  abi::Version version{};
  get_version(&version);
  if (version.major != kMajor || version.minor != kMinor || version.patch < kLeastPatch) {
    throw incompatible(path, "it is tvm-ffi " + std::to_string(version.major) + "." +
                                 std::to_string(version.minor) + "." +
                                 std::to_string(version.patch) +
                                 ", and this engine speaks 0.1 from 0.1.13 on");
  }
  return version;
}

Error second_runtime(const std::string& loaded, const std::string& asked) {
  return {mobillm::code::kUnsupported,
          "This process has loaded the TVM library " + loaded +
              " already, and can hold no second one. Use the same libraries for all engines, or "
              "another process.",
          {{"loaded", loaded}, {"asked", asked}}};
}

Opened open_all(const LibraryPaths& paths) {
  Opened result{paths, {}};
  result.facts.ffi_build = check_library(paths.ffi, "The tvm-ffi library");
  result.facts.runtime_build = check_library(paths.runtime, "The TVM runtime library");
  // Until all is known to be sound nothing else sees its symbols, and what is refused is closed
  // again: else a later runtime would find the functions of a refused one in place of its own.
  if (!first_ffi.empty() && first_ffi != paths.ffi && is_loaded(first_ffi)) {
    // Closing does not unload most builds, and a runtime is bound to the first of that name.
    throw second_runtime(first_ffi, paths.ffi);
  }
  LibraryPtr ffi = require_library(paths.ffi);
  result.facts.ffi_version = check_version(ffi.get(), paths.ffi);
  TvmFunctions found;
  resolve(found.error_move_from_raised, ffi.get(), paths.ffi, "TVMFFIErrorMoveFromRaised");
  resolve(found.object_inc_ref, ffi.get(), paths.ffi, "TVMFFIObjectIncRef");
  resolve(found.object_dec_ref, ffi.get(), paths.ffi, "TVMFFIObjectDecRef");
  resolve(found.function_get_global, ffi.get(), paths.ffi, "TVMFFIFunctionGetGlobal");
  resolve(found.function_call, ffi.get(), paths.ffi, "TVMFFIFunctionCall");
  bound_spinning();
  // The runtime registers its functions while it is opened, with the library above, which it needs
  // by name. Whatever it turns out to be, it has to stay: functions of it may be registered.
  void* runtime = require_library(paths.runtime).release();
  void* launch = nullptr;
  resolve(launch, runtime, paths.runtime, "TVMBackendParallelLaunch");
  constexpr std::string_view kProbe = "vm.builtin.kv_state_begin_forward";
  const abi::ByteArray name{kProbe.data(), kProbe.size()};
  void* function = nullptr;
  if (found.function_get_global(&name, &function) != 0 || function == nullptr) {
    throw incompatible(paths.runtime, "it registers no functions of the virtual machine");
  }
  found.object_dec_ref(function);
  ffi.release();
  share_symbols(paths.ffi);
  share_symbols(paths.runtime);
  functions = found;
  return result;
}

}  // namespace

const LibraryFacts& initialize_library(const LibraryPaths& asked) {
  const LibraryPaths paths{canonical(asked.ffi), canonical(asked.runtime)};
  const std::lock_guard lock(opening_mutex());
  if (!opened) {
    opened = open_all(paths);
  } else if (opened->paths != paths) {
    throw second_runtime(opened->paths.runtime, paths.runtime);
  }
  return opened->facts;
}

const TvmFunctions& tvm() { return functions; }

}  // namespace mobillm::mlc
