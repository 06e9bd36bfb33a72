// ggml's threads for one context.
#pragma once

struct llama_context;
struct ggml_threadpool;

namespace mobillm::llamacpp {

// Threads that stay between steps; without them ggml starts new ones for every token. One thread
// needs no pool: the model's own thread computes.
class ThreadPool {
 public:
  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  // Makes `context` compute with `threads` threads, the calling one included. Call it on the
  // context's own thread.
  void use(llama_context* context, int threads);

  // Takes the threads from the context and ends them. Before the context is freed.
  void release(llama_context* context);

  int threads() const { return threads_; }

 private:
  ggml_threadpool* pool_ = nullptr;
  int threads_ = 0;
};

}  // namespace mobillm::llamacpp
