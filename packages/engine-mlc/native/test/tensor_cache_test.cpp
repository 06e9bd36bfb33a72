#include "tensor_cache.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "digest.hpp"
#include "runtime.hpp"

using namespace mobillm::mlc;

namespace {

constexpr abi::Device kDevice{abi::kCpu, 0};
constexpr abi::DataType kFloat32{abi::kFloatingPoint, 32, 1};

const std::filesystem::path kFolder =
    std::filesystem::temp_directory_path() / "mobillm-tensor-cache-test";

std::string md5_of(const std::string& content) {
  Md5 digest;
  digest.update(std::as_bytes(std::span(content)));
  return digest.finish();
}

// Ten bytes of nothing, three numbers of f32, and two of bf16: 1 and -2.
TensorCache written_cache() {
  const float numbers[] = {0.5F, -3, 1e20F};
  std::string content(10, '\0');
  content.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  content += std::string("\x80\x3f\x00\xc0", 4);
  std::filesystem::create_directories(kFolder);
  const std::string path = (kFolder / "shard.bin").string();
  std::ofstream(path, std::ios::binary) << content;
  Shard shard{.path = path, .bytes = content.size(), .md5 = md5_of(content), .tensors = {}};
  shard.tensors.push_back(
      {.parameter = 1, .offset = 10, .bytes = 12, .shape = {3, 1}, .type = kFloat32});
  shard.tensors.push_back({.parameter = 0,
                           .offset = 22,
                           .bytes = 4,
                           .shape = {2},
                           .type = kFloat32,
                           .from_bf16 = true});
  return {.shards = {shard}, .parameter_count = 2};
}

std::vector<float> numbers_of(const Value& parameters, std::int64_t index) {
  const Value tensor = require_global("ffi.ArrayGetItem")(parameters, index);
  std::int64_t count = 1;
  for (std::int32_t i = 0; i < tensor.tensor().dimensions; ++i) count *= tensor.tensor().shape[i];
  std::vector<float> numbers(static_cast<std::size_t>(count));
  std::memcpy(numbers.data(), tensor.tensor().data, numbers.size() * sizeof(float));
  return numbers;
}

Value load(const TensorCache& cache) {
  const mobillm::AbortFlag abort;
  return load_parameters(cache, kDevice, abort, [](float) {});
}

void tensors_go_to_their_places() {
  const TensorCache cache = written_cache();
  check_tensor_cache(cache);
  const mobillm::AbortFlag abort;
  float last = 0;
  const Value parameters =
      load_parameters(cache, kDevice, abort, [&](float share) { last = share; });
  CHECK_EQUAL(last, 1.0F);
  CHECK(numbers_of(parameters, 1) == (std::vector<float>{0.5F, -3, 1e20F}));
  CHECK(numbers_of(parameters, 0) == (std::vector<float>{1, -2}));
}

void expect(const TensorCache& cache, const char* code, const std::string& part) {
  CHECK_THROWS(mobillm::Error, (check_tensor_cache(cache), load(cache)), {
    CHECK_EQUAL(error.code(), std::string(code));
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  });
}

void damaged_shards_are_refused() {
  TensorCache cache = written_cache();
  cache.shards[0].md5[0] = cache.shards[0].md5[0] == 'a' ? 'b' : 'a';
  expect(cache, "INTEGRITY_FAILED", "checksum");
  cache = written_cache();
  std::filesystem::resize_file(cache.shards[0].path, 20);
  expect(cache, "INTEGRITY_FAILED", "it has 20 bytes, and 26 are recorded");
  std::filesystem::remove(cache.shards[0].path);
  expect(cache, "FILE_NOT_FOUND", "shard.bin");
}

void records_that_do_not_add_up_are_refused() {
  const TensorCache sound = written_cache();
  const auto with = [&](auto change) {
    TensorCache cache = sound;
    change(cache, cache.shards[0].tensors);
    return cache;
  };
  const auto refuse = [&](auto change, const char* part) {
    expect(with(change), "MODEL_INVALID", part);
  };
  refuse([](auto&, auto& tensors) { tensors[1].offset = 20; }, "overlaps");
  refuse([](auto&, auto& tensors) { tensors[1].offset = 23; }, "overlaps");
  refuse([](auto&, auto& tensors) { tensors[0].bytes = ~std::uint64_t{0}; }, "overlaps");
  refuse([](auto&, auto& tensors) { tensors[0].shape = {4}; }, "do not fit its shape");
  refuse([](auto&, auto& tensors) { tensors[0].shape = {-3, -1}; }, "do not fit its shape");
  refuse(
      [](auto&, auto& tensors) {
        tensors[0].shape = {1L << 40, 1L << 40};
      },
      "do not fit its shape");
  refuse([](auto&, auto& tensors) { tensors[0].parameter = 2; }, "belongs to no parameter");
  refuse([](auto&, auto& tensors) { tensors[0].parameter = 0; }, "is there twice");
  refuse([](auto& cache, auto&) { cache.parameter_count = 3; }, "lacks a parameter");
}

void an_abort_stops_it() {
  const TensorCache cache = written_cache();
  mobillm::AbortFlag abort;
  abort.set();
  CHECK_THROWS(mobillm::Error, load_parameters(cache, kDevice, abort, [](float) {}),
               { CHECK_EQUAL(error.code(), std::string("ABORTED")); });
}

}  // namespace

int main() {
  initialize_library(runtime_paths());
  tensors_go_to_their_places();
  damaged_shards_are_refused();
  records_that_do_not_add_up_are_refused();
  an_abort_stops_it();
  std::filesystem::remove_all(kFolder);
}
