// Looks at a shared library before the system loads it.
#pragma once

#include <string>

namespace mobillm::qnn {

// Throws FILE_NOT_FOUND unless `path` is a regular file that can be read, and ADDON_INCOMPATIBLE
// unless it is a whole shared library for this processor: the system's own message for that ("wrong
// ELF class") tells a user little, and a file that is cut off ends the process in its loader. A
// name without a folder is left to the loader.
void check_shared_library(const std::string& path);

}  // namespace mobillm::qnn
