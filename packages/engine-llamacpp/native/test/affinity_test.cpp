#include "affinity.hpp"

#include <thread>

#include "check.hpp"

using mobillm::llamacpp::allowed_processor_list;
using mobillm::llamacpp::keep_thread_to;
using mobillm::llamacpp::ProcessorList;

namespace {

void a_thread_and_those_that_it_starts_keep_to_their_processors() {
  const ProcessorList all = allowed_processor_list();
  if (all.empty()) {
    std::cout << "skipped: this system does not tell which processors a thread may use\n";
    return;
  }
  const ProcessorList last{all.back()};
  ProcessorList own;
  ProcessorList child;
  ProcessorList given_back;
  std::thread([&] {
    CHECK(keep_thread_to(last));
    own = allowed_processor_list();
    std::thread([&] { child = allowed_processor_list(); }).join();
    CHECK(keep_thread_to(all));
    given_back = allowed_processor_list();
  }).join();
  CHECK(own == last);
  CHECK(child == last);
  CHECK(given_back == all);
  // Others are left where they were.
  CHECK(allowed_processor_list() == all);
}

void processors_that_are_not_there_change_nothing() {
  const ProcessorList before = allowed_processor_list();
  CHECK(!keep_thread_to({}));
  CHECK(!keep_thread_to({1 << 20}));
  CHECK(allowed_processor_list() == before);
}

}  // namespace

int main() {
  a_thread_and_those_that_it_starts_keep_to_their_processors();
  processors_that_are_not_there_change_nothing();
}
