#include "optimize/requantized_file_handle.hpp"

#include <string>
#include <utility>

#include "mobillm/option_reader.hpp"
#include "option_structs.hpp"

namespace mobillm::llamacpp {

namespace {

std::vector<float> read_floats(Napi::Value value, const std::string& key) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw_wrong_type(key, "a Float32Array", value);
  }
  const auto array = value.As<Napi::Float32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

RequantizeOptions read_requantize_options(Napi::Value value) {
  const OptionReader options(value, "");
  RequantizeOptions read;
  read.source = read_checked_file(options.value("source"));
  read.path = options.string("path");
  read.file_type = options.integer<std::uint32_t>("fileType", 0, 1024);
  read.threads = options.integer<int>("threads", 1, 4096);
  const Napi::Value tensors = options.value("tensors");
  if (!tensors.IsArray()) throw_wrong_type("tensors", "an array", tensors);
  const auto rows = tensors.As<Napi::Array>();
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "tensors[" + std::to_string(i) + "]");
    read.tensors.push_back({row.string("name"),
                            weight_type_named(row.string("type"), row.path("type")),
                            read_floats(row.value("importance"), row.path("importance"))});
  }
  return read;
}

}  // namespace

void RequantizedFileHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("RequantizedFile",
              DefineClass(env, "RequantizedFile",
                          {method<&RequantizedFileHandle::prepare>("prepare"),
                           method<&RequantizedFileHandle::write>("write"),
                           method<&RequantizedFileHandle::abort>("abort"),
                           getter<&RequantizedFileHandle::written_share>("writtenShare"),
                           method<&RequantizedFileHandle::commit>("commit"),
                           method<&RequantizedFileHandle::release>("release"),
                           method<&RequantizedFileHandle::close>("close")}));
}

RequantizedFileHandle::RequantizedFileHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    file_ = std::make_shared<RequantizedFile>(read_requantize_options(info[0]));
    environment_->add(this);
  });
}

RequantizedFileHandle::~RequantizedFileHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void RequantizedFileHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
  if (file_ != nullptr) file_->discard();
}

Napi::Value RequantizedFileHandle::prepare(const Info& info) {
  require_open("The file");
  const OptionReader options(info[0], "");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [file = file_, path = options.string("path"),
       bytes = options.integer<std::uint64_t>("bytes", 0, std::uint64_t{1} << 53),
       overwrite = options.boolean("overwrite")] {
        file->prepare(path, bytes, overwrite);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

Napi::Value RequantizedFileHandle::write(const Info& info) {
  require_open("The file");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [file = file_, abort = abort_, written = written_] {
        return file->write(*abort, [written](float share) { *written = share; });
      },
      [](Napi::Env env, std::uint64_t bytes) {
        return Napi::Number::New(env, static_cast<double>(bytes));
      });
}

Napi::Value RequantizedFileHandle::abort(const Info& info) {
  abort_->set();
  return info.Env().Undefined();
}

Napi::Value RequantizedFileHandle::written_share(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(written_->load()));
}

Napi::Value RequantizedFileHandle::commit(const Info& info) {
  require_open("The file");
  file_->commit(read_string(info[0], "path"), read_boolean(info[1], "overwrite"));
  return info.Env().Undefined();
}

Napi::Value RequantizedFileHandle::release(const Info& info) {
  file_->release();
  return info.Env().Undefined();
}

Napi::Value RequantizedFileHandle::close(const Info& info) {
  if (mark_closed()) {
    abort_->set();
    worker_.stop();
    file_->discard();
  }
  return info.Env().Undefined();
}

}  // namespace mobillm::llamacpp
