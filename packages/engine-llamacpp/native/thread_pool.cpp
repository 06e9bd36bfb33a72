#include "thread_pool.hpp"

#include <ggml-cpu.h>
#include <llama.h>

#include <string>

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

// The CPU back end may be a file of its own, so its functions are asked for by name.
template <typename Function>
Function cpu_function(const char* name) {
  ggml_backend_reg_t cpu =
      ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
  void* function = ggml_backend_reg_get_proc_address(cpu, name);
  if (function == nullptr) {
    throw Error(
        code::kNativeFailure,
        std::string("llama.cpp's CPU back end has no function ") + name +
            ". The addon and its back ends are of different builds; reinstall the package.");
  }
  return reinterpret_cast<Function>(function);
}

void free_pool(ggml_threadpool* pool) {
  cpu_function<decltype(&ggml_threadpool_free)>("ggml_threadpool_free")(pool);
}

}  // namespace

ThreadPool::~ThreadPool() {
  if (pool_ != nullptr) free_pool(pool_);
}

void ThreadPool::resize(int threads) {
  if (threads == threads_) return;
  release();
  if (threads > 1) {
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    pool_ = cpu_function<decltype(&ggml_threadpool_new)>("ggml_threadpool_new")(&params);
    if (pool_ == nullptr) {
      throw Error(code::kNativeFailure, "The system could not start " + std::to_string(threads) +
                                            " threads. Open the model with fewer.");
    }
  }
  threads_ = threads;
  for (llama_context* context : contexts_) attach(context);
}

void ThreadPool::add(llama_context* context) {
  contexts_.push_back(context);
  attach(context);
}

void ThreadPool::remove(llama_context* context) {
  if (std::erase(contexts_, context) > 0) llama_detach_threadpool(context);
}

void ThreadPool::attach(llama_context* context) const {
  if (pool_ != nullptr) llama_attach_threadpool(context, pool_, nullptr);
  llama_set_n_threads(context, threads_, threads_);
}

void ThreadPool::release() {
  if (pool_ == nullptr) return;
  for (llama_context* context : contexts_) {
    llama_detach_threadpool(context);
    llama_set_n_threads(context, 1, 1);
  }
  free_pool(pool_);
  pool_ = nullptr;
  threads_ = 1;
}

}  // namespace mobillm::llamacpp
