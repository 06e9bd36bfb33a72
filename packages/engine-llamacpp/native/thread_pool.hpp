// ggml's threads for the contexts of one model.
#pragma once

#include <vector>

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

  // Has every context compute with so many threads, the calling one included. Call this and what
  // follows on the contexts' own thread.
  void resize(int threads);

  // Has a context compute with these threads, until it is removed. To be removed before it is
  // freed.
  void add(llama_context* context);
  void remove(llama_context* context);

  int threads() const { return threads_; }

 private:
  void attach(llama_context* context) const;
  // Takes the threads from all contexts and ends them.
  void release();

  std::vector<llama_context*> contexts_;
  ggml_threadpool* pool_ = nullptr;
  int threads_ = 1;
};

}  // namespace mobillm::llamacpp
