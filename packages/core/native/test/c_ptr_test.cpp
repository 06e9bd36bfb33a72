#include "mobillm/c_ptr.hpp"

#include "check.hpp"

namespace {

int freed = 0;

void free_number(int* number) {
  ++freed;
  *number = -1;
}

using Number = mobillm::CPtr<int, free_number>;

void frees_what_it_owns_once() {
  int number = 7;
  {
    Number owner(&number);
    Number next = std::move(owner);
    CHECK(owner == nullptr);
    CHECK_EQUAL(*next, 7);
  }
  CHECK_EQUAL(freed, 1);
  CHECK_EQUAL(number, -1);
}

void never_frees_null() {
  freed = 0;
  { const Number nothing; }
  CHECK_EQUAL(freed, 0);
}

}  // namespace

int main() {
  static_assert(sizeof(Number) == sizeof(int*), "the deleter takes no room");
  frees_what_it_owns_once();
  never_frees_null();
}
