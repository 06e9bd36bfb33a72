// Weights in other formats: ggml's own bytes, whatever the threads, and nothing left of a file that
// was not finished.

#include "optimize/requantize.hpp"

#include <gguf.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#ifndef _WIN32
#include <sys/resource.h>

#include <csignal>
#endif

#include "check.hpp"
#include "mobillm/error.hpp"
#include "optimize/requantized_file.hpp"

namespace {

using mobillm::AbortFlag;
using mobillm::Error;
using mobillm::llamacpp::can_requantize;
using mobillm::llamacpp::requantize;
using mobillm::llamacpp::RequantizedFile;
using mobillm::llamacpp::RequantizeOptions;
using mobillm::llamacpp::stamp_of;
using mobillm::llamacpp::weight_type_named;
using mobillm::llamacpp::WeightError;
using mobillm::llamacpp::WeightRows;
namespace fs = std::filesystem;

const auto kNever = [] { return false; };

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "nothing was thrown";
}

std::vector<float> some_numbers(std::size_t count) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = std::sin(static_cast<float>(i * i % 9973)) * 0.3F;
  }
  return numbers;
}

// More than one piece of work, the last one shorter.
constexpr std::int64_t kColumns = 512;
constexpr std::int64_t kRows = 1300;
const WeightRows kFrom{GGML_TYPE_F32, kColumns, kRows};

void test_bytes_and_error() {
  const std::vector<float> numbers = some_numbers(kColumns * kRows);
  const auto from = std::as_bytes(std::span(numbers));
  std::vector<float> importance(kColumns, 0.1F);
  importance[7] = 5;
  for (const ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_Q3_K}) {
    for (const bool weighted : {false, true}) {
      const std::span<const float> weights =
          weighted ? std::span<const float>(importance) : std::span<const float>();
      const std::size_t bytes = WeightRows{type, kColumns, kRows}.bytes();
      std::vector<std::byte> expected(bytes);
      ggml_quantize_chunk(type, numbers.data(), expected.data(), 0, kRows, kColumns,
                          weighted ? importance.data() : nullptr);
      std::vector<float> read(numbers.size());
      ggml_get_type_traits(type)->to_float(expected.data(), read.data(), kColumns * kRows);
      double difference = 0;
      double energy = 0;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double weight = weighted ? static_cast<double>(importance[i % kColumns]) : 1;
        const double old = static_cast<double>(numbers[i]);
        const double off = static_cast<double>(read[i]) - old;
        difference += weight * off * off;
        energy += weight * old * old;
      }
      for (const int threads : {1, 3}) {
        std::vector<std::byte> to(bytes);
        const WeightError error = requantize(kFrom, from, type, to, weights, threads, kNever);
        CHECK(to == expected);
        CHECK(std::abs(error.relative() / (difference / energy) - 1) < 1e-9);
      }
    }
  }
}

void test_refusals() {
  std::vector<float> numbers = some_numbers(kColumns * kRows);
  std::vector<std::byte> to(WeightRows{GGML_TYPE_Q4_0, kColumns, kRows}.bytes());
  const auto run = [&](ggml_type type, std::span<const float> importance,
                       const std::function<bool()>& stopped) {
    return code_of([&] {
      requantize(kFrom, std::as_bytes(std::span(numbers)), type, to, importance, 2, stopped);
    });
  };
  CHECK(run(GGML_TYPE_Q4_0, {}, [] { return true; }) == "ABORTED");
  CHECK(run(GGML_TYPE_Q8_0, {}, kNever) == "INVALID_ARGUMENT");  // no room for it
  const std::vector<float> few(3, 1.0F);
  CHECK(run(GGML_TYPE_Q4_0, few, kNever) == "INVALID_ARGUMENT");
  numbers.back() = std::numeric_limits<float>::quiet_NaN();
  CHECK(run(GGML_TYPE_Q4_0, {}, kNever) == "MODEL_INVALID");

  CHECK(can_requantize(GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, 576));
  CHECK(!can_requantize(GGML_TYPE_Q4_1, GGML_TYPE_Q4_K, 576));
  CHECK(!can_requantize(GGML_TYPE_I32, GGML_TYPE_Q4_0, 576));
  CHECK(!can_requantize(GGML_TYPE_F32, GGML_TYPE_IQ2_XXS, 512));
  CHECK(weight_type_named("q4_k", "type") == GGML_TYPE_Q4_K);
  CHECK(code_of([] { weight_type_named("Q9", "type"); }) == "INVALID_ARGUMENT");
}

std::string write_source(const fs::path& folder) {
  ggml_context* context =
      ggml_init({.mem_size = 1 << 22, .mem_buffer = nullptr, .no_alloc = false});
  gguf_context* file = gguf_init_empty();
  const std::vector<float> numbers = some_numbers(64 * 300);
  for (const char* name : {"a.weight", "b.weight"}) {
    ggml_tensor* tensor = ggml_new_tensor_2d(context, GGML_TYPE_F32, 64, 300);
    ggml_set_name(tensor, name);
    std::copy(numbers.begin(), numbers.end(), static_cast<float*>(tensor->data));
    gguf_add_tensor(file, tensor);
  }
  gguf_set_val_str(file, "general.architecture", "llama");
  const std::string path = (folder / "source.gguf").string();
  gguf_write_to_file(file, path.c_str(), false);
  gguf_free(file);
  ggml_free(context);
  return path;
}

void test_files() {
  const fs::path folder =
      fs::temp_directory_path() / ("mobillm-requantize-" + std::to_string(std::rand()));
  fs::create_directory(folder);
  const std::string source = write_source(folder);
  const std::string part = (folder / "new.partial").string();
  const std::string done = (folder / "new.gguf").string();
  const auto options = [&](const std::string& name, ggml_type type) {
    RequantizeOptions made;
    made.source = {source, stamp_of(source), false};
    made.path = part;
    made.tensors.push_back({name, type, {}});
    made.file_type = 2;
    return made;
  };
  const AbortFlag flag;
  const auto write = [&](RequantizedFile& file) { return file.write(flag, nullptr); };

  {
    RequantizedFile file(options("b.weight", GGML_TYPE_Q4_0));
    CHECK(write(file) == fs::file_size(part));
    // Half of it in F32, half in 4.5 bits.
    CHECK(fs::file_size(part) < fs::file_size(source) * 6 / 10);
    CHECK(code_of([&] {
            RequantizedFile(options("a.weight", GGML_TYPE_Q4_0)).write(flag, nullptr);
          }) == "IO_FAILED");  // the name is taken, and what has it is left
    CHECK(fs::exists(part));
  }
  CHECK(!fs::exists(part));
  {
    RequantizedFile file(options("b.weight", GGML_TYPE_Q4_0));
    write(file);
    file.commit(done, false);
    CHECK(fs::exists(done) && !fs::exists(part));
    file.release();
  }
  CHECK(fs::exists(done));
  {
    RequantizedFile file(options("b.weight", GGML_TYPE_Q4_0));
    write(file);
    CHECK(code_of([&] { file.commit(done, false); }) == "IO_FAILED");
  }
  CHECK(!fs::exists(part));
  gguf_context* header = gguf_init_from_file(done.c_str(), {.no_alloc = true, .ctx = nullptr});
  CHECK(header != nullptr && gguf_get_tensor_type(header, 0) == GGML_TYPE_F32 &&
        gguf_get_tensor_type(header, 1) == GGML_TYPE_Q4_0);
  gguf_free(header);

  AbortFlag stop;
  stop.set();
  CHECK(code_of([&] {
          RequantizedFile(options("b.weight", GGML_TYPE_Q4_0)).write(stop, nullptr);
        }) == "ABORTED");
  CHECK(code_of([&] {
          RequantizedFile(options("c.weight", GGML_TYPE_Q4_0)).write(flag, nullptr);
        }) == "INVALID_ARGUMENT");
  CHECK(code_of([&] {
          RequantizedFile(options("b.weight", GGML_TYPE_Q4_K)).write(flag, nullptr);
        }) == "INVALID_ARGUMENT");
  RequantizeOptions changed = options("b.weight", GGML_TYPE_Q4_0);
  changed.source.stamp.bytes += 1;
  CHECK(code_of([&] { RequantizedFile(changed).write(flag, nullptr); }) == "INTEGRITY_FAILED");
  CHECK(!fs::exists(part));

#ifndef _WIN32
  // A disk that is full, as a process meets it that may write no larger files.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{20'000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  CHECK(code_of([&] {
          RequantizedFile(options("b.weight", GGML_TYPE_Q4_0)).write(flag, nullptr);
        }) == "IO_FAILED");
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(!fs::exists(part));
#endif
  fs::remove_all(folder);
}

}  // namespace

int main() {
  std::srand(static_cast<unsigned>(fs::file_time_type::clock::now().time_since_epoch().count()));
  test_bytes_and_error();
  test_refusals();
  test_files();
}
