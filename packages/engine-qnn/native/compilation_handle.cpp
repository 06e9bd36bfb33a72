#include "compilation_handle.hpp"

#include <utility>

#include "library_handle.hpp"
#include "mobillm/option_reader.hpp"
#include "options.hpp"

namespace mobillm::qnn {

namespace {

Napi::Object compiled_object(Napi::Env env, const Compiled& compiled) {
  Napi::Object result = made_with_object(env, compiled.made_with);
  result.Set("bytes", static_cast<double>(compiled.bytes));
  result.Set("sha256", compiled.sha256);
  Napi::Array graphs = Napi::Array::New(env, compiled.graphs.size());
  for (std::size_t i = 0; i < compiled.graphs.size(); ++i) {
    Napi::Object graph = Napi::Object::New(env);
    graph.Set("name", compiled.graphs[i].name);
    graph.Set("nodes", static_cast<double>(compiled.graphs[i].nodes));
    graph.Set("finalizeSeconds", compiled.graphs[i].finalize_seconds);
    graphs.Set(static_cast<std::uint32_t>(i), graph);
  }
  result.Set("graphs", graphs);
  return result;
}

}  // namespace

void CompilationHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Compilation", DefineClass(env, "Compilation",
                                         {method<&CompilationHandle::run>("run"),
                                          method<&CompilationHandle::abort>("abort"),
                                          method<&CompilationHandle::close>("close")}));
}

CompilationHandle::CompilationHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    libraries_ = LibraryHandle::libraries_of(info[0], "library");
    const OptionReader reader(info[1], "");
    source_ = reader.string("source");
    options_ = read_compile_options(info[1]);
    tensors_ = read_gguf_tensors(info[1]);
    if (reader.has("onProgress")) {
      progress_->callback = environment_->keep(reader.function("onProgress"));
      options_.on_progress = [progress = progress_, environment = environment_,
                              queue = environment_->queue()](const char* step, float share) {
        const std::lock_guard lock(progress->mutex);
        progress->step = step;
        progress->share = share;
        if (std::exchange(progress->posted, true)) return;
        queue->post([progress, environment](Napi::Env env) {
          std::unique_lock told(progress->mutex);
          progress->posted = false;
          const auto text = Napi::String::New(env, progress->step);
          const auto number = Napi::Number::New(env, progress->share);
          told.unlock();
          if (auto* callback = environment->kept(progress->callback)) {
            callback->Call({text, number});
          }
        });
      };
    }
    environment_->add(this);
  });
}

CompilationHandle::~CompilationHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void CompilationHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
}

Napi::Value CompilationHandle::run(const Info& info) {
  require_open("The compilation");
  if (libraries_.backend == nullptr) {
    throw Error(code::kBusy, "The compilation was run already. Make another one.");
  }
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [libraries = std::exchange(libraries_, {}), source = source_, options = options_,
       tensors = tensors_, abort = abort_] {
        GgufWeights weights(source, tensors, options.shape);
        return compile_llama(libraries, options, weights, *abort);
      },
      [this](Napi::Env env, const Compiled& compiled) {
        JsEnvironment::of(env).drop(progress_->callback);
        return compiled_object(env, compiled);
      });
}

Napi::Value CompilationHandle::abort(const Info& info) {
  abort_->set();
  return info.Env().Undefined();
}

Napi::Value CompilationHandle::close(const Info& info) {
  mark_closed();
  abort_->set();
  environment(info).drop(progress_->callback);
  libraries_ = {};
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(), [] { return 0; },
      [](Napi::Env env, int) { return env.Undefined(); });
}

}  // namespace mobillm::qnn
