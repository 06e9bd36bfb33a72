// The system's loader of shared libraries.
#pragma once

#include <string>

#include "mobillm/c_ptr.hpp"

namespace mobillm::mlc {

void close_library(void* library);

// One share of an opened library; the system unloads it with its last one.
using LibraryPtr = CPtr<void, close_library>;

// Opens a library whose symbols nobody but itself, and what needs it by name, sees. Returns it, or
// null and the reason.
LibraryPtr open_library(const std::string& path, std::string& reason);

// Lets libraries that are opened later see the symbols of an opened one: model libraries look up
// the runtime's functions that way. Cannot be taken back.
void share_symbols(const std::string& path);

// Whether a library is open in this process, by whomever; some stay when their last share is
// closed.
bool is_loaded(const std::string& path);

// Address of a symbol of this very library; null when it has none, though a library that it needs
// may have one.
void* find_symbol(void* library, const char* name);

}  // namespace mobillm::mlc
