// What an addon keeps for each JavaScript environment that loads it (the main thread, every worker
// thread): its queue, the promises that are under way, and the native threads to stop at the end.
#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "mobillm/js_error.hpp"
#include "mobillm/js_queue.hpp"
#include "mobillm/serial_worker.hpp"

namespace mobillm {

// Something with native threads that has to stop before its environment goes.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  // Makes running jobs end soon and joins the threads, without a Node-API call. JavaScript thread;
  // may be called twice.
  virtual void stop_now() noexcept = 0;
};

// The instance data of an addon. Every member is for the JavaScript thread alone, but `queue()`,
// whose `post` may be called from anywhere.
class JsEnvironment {
 public:
  // Number of a promise under way. Jobs carry it instead of references, which only the JavaScript
  // thread may make or drop.
  using Ticket = std::uint64_t;

  // To be called once, when the addon is loaded into an environment.
  static JsEnvironment& install(Napi::Env env) {
    auto* self = new JsEnvironment(env);  // owned by Node from the next line on
    env.SetInstanceData(self);
    // Hooks run last in, first out. The thread-safe function registered its own when it was
    // created, above; so this one runs before, and joins every native thread while they can still
    // call the function. The other way round, a thread would call one that was freed.
    napi_add_env_cleanup_hook(
        env, [](void* data) { static_cast<JsEnvironment*>(data)->tear_down(); }, self);
    self->stop_on_exit();
    return *self;
  }

  static JsEnvironment& of(Napi::Env env) { return *env.GetInstanceData<JsEnvironment>(); }

  const std::shared_ptr<JsQueue>& queue() const { return queue_; }

  // Starts a promise. `keep` is not collected until it settles.
  std::pair<Ticket, Napi::Promise> defer(Napi::Object keep) {
    const Ticket ticket = ++last_ticket_;
    auto pending = std::make_unique<Pending>(env_, keep);
    Napi::Promise promise = pending->deferred.Promise();
    pending_.emplace(ticket, std::move(pending));
    if (pending_.size() == 1) queue_->keep_alive(env_, true);
    return {ticket, promise};
  }

  // Settles a promise with what `value` returns, or with what it throws.
  void settle(Ticket ticket, const std::function<Napi::Value(Napi::Env)>& value) {
    const auto found = pending_.find(ticket);
    if (found == pending_.end()) return;
    const std::unique_ptr<Pending> pending = std::move(found->second);
    pending_.erase(found);
    if (pending_.empty()) queue_->keep_alive(env_, false);
    try {
      pending->deferred.Resolve(value(env_));
    } catch (...) {
      pending->deferred.Reject(to_js_error(env_, std::current_exception()).Value());
    }
  }

  // Runs `work` on a worker and settles a promise with `convert(env, result)` on the JavaScript
  // thread, or with the error that either throws; with CLOSED where the worker stops before it
  // comes to it.
  template <typename Work, typename Convert>
  Napi::Promise run(SerialWorker& worker, Napi::Object keep, Work work, Convert convert) {
    auto [ticket, promise] = defer(keep);
    // Shared, since a job can be copied.
    const auto settlement = std::make_shared<Settlement>(*this, ticket);
    worker.post([settlement, work = std::move(work), convert = std::move(convert)] {
      using Result = decltype(work());
      try {
        auto result = std::make_shared<Result>(work());
        settlement->with(
            [result, convert](Napi::Env env) { return convert(env, std::move(*result)); });
      } catch (...) {
        settlement->with([thrown = std::current_exception()](Napi::Env) -> Napi::Value {
          std::rethrow_exception(thrown);
        });
      }
    });
    return promise;
  }

  // Has `stoppable` stopped when the environment ends; it unregisters itself before it dies.
  void add(Stoppable* stoppable) { stoppables_.insert(stoppable); }
  void remove(Stoppable* stoppable) { stoppables_.erase(stoppable); }

  // Keeps a function for calls from other threads; returns the number to call it by.
  Ticket keep(Napi::Function function) {
    const Ticket ticket = ++last_ticket_;
    functions_.emplace(ticket, Napi::Persistent(function));
    return ticket;
  }
  void drop(Ticket ticket) { functions_.erase(ticket); }
  // The kept function; null after it was dropped.
  Napi::FunctionReference* kept(Ticket ticket) {
    const auto found = functions_.find(ticket);
    return found == functions_.end() ? nullptr : &found->second;
  }

  // Constructors of the addon's classes, by name.
  void define(const char* name, Napi::Function constructor) {
    classes_.emplace(name, Napi::Persistent(constructor));
  }
  // Whether a value was made by such a class.
  bool made_by(const char* name, Napi::Value value) const {
    return value.IsObject() && value.As<Napi::Object>().InstanceOf(classes_.at(name).Value());
  }
  Napi::Object construct(const char* name, std::initializer_list<napi_value> arguments) {
    return classes_.at(name).New(arguments);
  }

 private:
  struct Pending {
    Pending(Napi::Env env, Napi::Object keep)
        : deferred(Napi::Promise::Deferred::New(env)), kept(Napi::Persistent(keep)) {}
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference kept;
  };

  // Settles one promise from any thread, and with CLOSED when it goes without having been told with
  // what: a worker that stops drops the jobs that wait.
  class Settlement {
   public:
    Settlement(JsEnvironment& environment, Ticket ticket)
        : environment_(&environment), queue_(environment.queue()), ticket_(ticket) {}
    Settlement(const Settlement&) = delete;
    Settlement& operator=(const Settlement&) = delete;
    ~Settlement() {
      if (told_) return;
      with([](Napi::Env) -> Napi::Value { throw Error(code::kClosed, "This object was closed."); });
    }

    void with(std::function<Napi::Value(Napi::Env)> value) {
      told_ = true;
      // The environment is there as long as its queue takes calls.
      queue_->post([environment = environment_, ticket = ticket_,
                    value = std::move(value)](Napi::Env) { environment->settle(ticket, value); });
    }

   private:
    JsEnvironment* environment_;
    std::shared_ptr<JsQueue> queue_;
    Ticket ticket_;
    bool told_ = false;
  };

  explicit JsEnvironment(Napi::Env env) : env_(env), queue_(JsQueue::create(env)) {}

  // `process.exit()` runs no cleanup hook: it goes on to the destructors of static objects, which a
  // library's code on another thread may be using. Its `exit` event comes before that, and exists
  // wherever there is a `process` to exit.
  void stop_on_exit() {
    const Napi::Value process = env_.Global().Get("process");
    if (!process.IsObject()) return;
    const Napi::Value on = process.As<Napi::Object>().Get("on");
    if (!on.IsFunction()) return;
    const auto stop = [](const Napi::CallbackInfo& info) {
      JsEnvironment::of(info.Env()).stop_threads();
    };
    on.As<Napi::Function>().Call(
        process, {Napi::String::New(env_, "exit"), Napi::Function::New(env_, stop, "mobillmExit")});
  }

  void stop_threads() noexcept {
    const auto stoppables = stoppables_;
    for (Stoppable* stoppable : stoppables) stoppable->stop_now();
  }

  void tear_down() noexcept {
    stop_threads();
    queue_->close();
    pending_.clear();
    functions_.clear();
    classes_.clear();
  }

  Napi::Env env_;
  std::shared_ptr<JsQueue> queue_;
  Ticket last_ticket_ = 0;
  std::unordered_map<Ticket, std::unique_ptr<Pending>> pending_;
  std::unordered_map<Ticket, Napi::FunctionReference> functions_;
  std::unordered_map<std::string, Napi::FunctionReference> classes_;
  std::unordered_set<Stoppable*> stoppables_;
};

}  // namespace mobillm
