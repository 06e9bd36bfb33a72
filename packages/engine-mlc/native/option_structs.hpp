// JavaScript options as the plain structs of this engine.
#pragma once

#include <napi.h>

#include "model.hpp"
#include "tvm_library.hpp"

namespace mobillm::mlc {

LibraryPaths read_library_paths(Napi::Value value);

// `on_progress` is left empty.
OpenOptions read_open_options(Napi::Value value);

WeightsOptions read_weights_options(Napi::Value value);

}  // namespace mobillm::mlc
