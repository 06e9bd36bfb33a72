// JavaScript's options as plain structs, and what both sides share as objects. They were checked in
// TypeScript; this makes sure of types, ranges and lengths once more.
#pragma once

#include <napi.h>

#include <string>

#include "compilation.hpp"
#include "gguf_weights.hpp"
#include "model.hpp"

namespace mobillm::qnn {

RecordedFile read_recorded_file(Napi::Value value, const std::string& key);
// What a compilation is made of, but for `on_progress`.
CompileOptions read_compile_options(Napi::Value value);
// Where the weights lie in the source file.
GgufTensors read_gguf_tensors(Napi::Value value);
// What a model is opened with, but for `on_progress`.
OpenOptions read_open_options(Napi::Value value);

// { socModel, htpArch }
Napi::Object target_object(Napi::Env env, const Target& target);
// The same with { buildId, coreApi, backendApi }.
Napi::Object made_with_object(Napi::Env env, const MadeWith& made_with);

}  // namespace mobillm::qnn
