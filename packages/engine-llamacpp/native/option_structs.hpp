// JavaScript options as the plain structs of this engine.
#pragma once

#include <napi.h>

#include <optional>

#include "model.hpp"

namespace mobillm::llamacpp {

CheckedFile read_checked_file(Napi::Value value);
ModelFile read_model_file(Napi::Value value);
ContextOptions read_context_options(Napi::Value value);
Offload read_offload(Napi::Value value);
// The draft model of `open` or an estimate, where there is to be one.
std::optional<ModelFile> read_draft(Napi::Value value);
TuningOptions read_tuning_options(Napi::Value value);

// `on_progress` is left empty.
OpenOptions read_open_options(Napi::Value value);

}  // namespace mobillm::llamacpp
