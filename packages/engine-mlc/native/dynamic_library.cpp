#include "dynamic_library.hpp"

#ifdef _WIN32
#include <windows.h>

#include <filesystem>
#else
#include <dlfcn.h>
#ifdef __GLIBC__
#include <link.h>
#endif
#endif

namespace mobillm::mlc {

#ifdef _WIN32

void close_library(void* library) { FreeLibrary(static_cast<HMODULE>(library)); }

LibraryPtr open_library(const std::string& path, std::string& reason) {
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  // Libraries that it needs are looked for beside it, too.
  HMODULE library = LoadLibraryExW(
      native.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (library == nullptr) reason = "error " + std::to_string(GetLastError());
  return LibraryPtr(library);
}

bool is_loaded(const std::string& path) {
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  return GetModuleHandleW(native.c_str()) != nullptr;
}

// Libraries name there what they take from which other one.
void share_symbols(const std::string&) {}

void* find_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

void close_library(void* library) { dlclose(library); }

LibraryPtr open_library(const std::string& path, std::string& reason) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* told = dlerror();
    reason = told == nullptr ? "the system gave no reason" : told;
  }
  return LibraryPtr(library);
}

bool is_loaded(const std::string& path) {
  return LibraryPtr(dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD)) != nullptr;
}

void share_symbols(const std::string& path) {
  // The share that this opens is never given back: what is visible has to stay.
  dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

void* find_symbol(void* library, const char* name) {
  void* symbol = dlsym(library, name);
#ifdef __GLIBC__
  // dlsym looks into what the library needs, too.
  link_map* own = nullptr;
  link_map* holder = nullptr;
  Dl_info info;
  if (symbol != nullptr && dlinfo(library, RTLD_DI_LINKMAP, &own) == 0 &&
      dladdr1(symbol, &info, reinterpret_cast<void**>(&holder), RTLD_DL_LINKMAP) != 0 &&
      own != holder) {
    return nullptr;
  }
#endif
  return symbol;
}

#endif

}  // namespace mobillm::mlc
