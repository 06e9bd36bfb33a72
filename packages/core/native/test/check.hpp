// The whole test framework: a fact that fails is printed with its place, and the program ends
// with 1.
#pragma once

#include <cstdlib>
#include <iostream>

#define CHECK(fact)                                                             \
  do {                                                                          \
    if (!(fact)) {                                                              \
      std::cerr << __FILE__ << ':' << __LINE__ << ": not true: " #fact << '\n'; \
      std::exit(1);                                                             \
    }                                                                           \
  } while (false)

#define CHECK_EQUAL(actual, expected)                                                 \
  do {                                                                                \
    const auto check_actual = (actual);                                               \
    const auto check_expected = (expected);                                           \
    if (!(check_actual == check_expected)) {                                          \
      std::cerr << __FILE__ << ':' << __LINE__ << ": " #actual " is " << check_actual \
                << ", expected " << check_expected << '\n';                           \
      std::exit(1);                                                                   \
    }                                                                                 \
  } while (false)

// Checks that `body` throws `Type`, and runs `with` on it.
#define CHECK_THROWS(Type, body, with)                                                     \
  do {                                                                                     \
    bool check_thrown = false;                                                             \
    try {                                                                                  \
      body;                                                                                \
    } catch (const Type& error) {                                                          \
      check_thrown = true;                                                                 \
      with;                                                                                \
    }                                                                                      \
    if (!check_thrown) {                                                                   \
      std::cerr << __FILE__ << ':' << __LINE__ << ": " #body " did not throw " #Type "\n"; \
      std::exit(1);                                                                        \
    }                                                                                      \
  } while (false)
