// Products with weights in the AMX buffer type beside the same products without it. Ends with 77,
// which is "skipped", on a processor without AMX.
//
//   llamacpp_amx_test [folder of the CPU back ends, for a release build]

#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "mobillm/c_ptr.hpp"

namespace {

using mobillm::CPtr;
using Context = CPtr<ggml_context, ggml_free>;
using Buffer = CPtr<ggml_backend_buffer, ggml_backend_buffer_free>;
using Backend = CPtr<ggml_backend, ggml_backend_free>;

constexpr int kSkipped = 77;

ggml_backend_dev_t cpu() { return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU); }

template <typename Function>
Function cpu_function(const char* name) {
  return reinterpret_cast<Function>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu()), name));
}

ggml_backend_buffer_type_t find_amx() {
  const auto extra =
      cpu_function<ggml_backend_dev_get_extra_bufts_t>("ggml_backend_dev_get_extra_bufts");
  for (ggml_backend_buffer_type_t* type = extra(cpu()); *type != nullptr; ++type) {
    if (std::string_view(ggml_backend_buft_name(*type)) == "AMX") return *type;
  }
  return nullptr;
}

Context new_context() {
  return Context(ggml_init({ggml_tensor_overhead() * 32 + ggml_graph_overhead(), nullptr, true}));
}

std::vector<float> some_numbers(std::int64_t count, float step) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::sin(static_cast<float>(i % 99'991) * step) * 0.5F;
  }
  return numbers;
}

// An input of a product: sequences of rows, which need not follow each other.
struct Shape {
  std::int64_t rows;
  std::int64_t sequences = 1;
  std::int64_t batches = 1;
  enum class Layout { kDense, kRowsApart, kSwapped } layout = Layout::kDense;
};

class Products {
 public:
  Products(ggml_backend_buffer_type_t type, ggml_type format, std::int64_t columns,
           std::int64_t outputs, const std::vector<std::byte>& bytes)
      : context_(new_context()), backend_(ggml_backend_dev_init(cpu(), nullptr)) {
    cpu_function<ggml_backend_set_n_threads_t>("ggml_backend_set_n_threads")(backend_.get(), 3);
    weights_ = ggml_new_tensor_2d(context_.get(), format, columns, outputs);
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), type));
    CHECK(buffer_ != nullptr);
    ggml_backend_tensor_set(weights_, bytes.data(), 0, bytes.size());
  }

  std::vector<float> compute(const Shape& shape, const std::vector<float>& numbers) {
    using Layout = Shape::Layout;
    const std::int64_t columns = weights_->ne[0];
    const Context context = new_context();
    ggml_context* c = context.get();
    ggml_tensor* whole = nullptr;
    ggml_tensor* input = nullptr;
    switch (shape.layout) {
      case Layout::kDense:
        whole = input = ggml_new_tensor_4d(c, GGML_TYPE_F32, columns, shape.rows, shape.sequences,
                                           shape.batches);
        break;
      case Layout::kRowsApart:
        whole = ggml_new_tensor_4d(c, GGML_TYPE_F32, columns + 8, shape.rows, shape.sequences,
                                   shape.batches);
        input = ggml_view_4d(c, whole, columns, shape.rows, shape.sequences, shape.batches,
                             whole->nb[1], whole->nb[2], whole->nb[3], 16);
        break;
      case Layout::kSwapped:
        whole = ggml_new_tensor_4d(c, GGML_TYPE_F32, columns, shape.sequences, shape.rows,
                                   shape.batches);
        input = ggml_permute(c, whole, 0, 2, 1, 3);
        break;
    }
    ggml_tensor* product = ggml_mul_mat(c, weights_, input);
    ggml_cgraph* graph = ggml_new_graph(c);
    ggml_build_forward_expand(graph, product);
    const Buffer buffer(
        ggml_backend_alloc_ctx_tensors_from_buft(c, ggml_backend_dev_buffer_type(cpu())));
    CHECK(ggml_backend_dev_supports_op(cpu(), product));
    CHECK(static_cast<std::int64_t>(numbers.size()) >= ggml_nelements(whole));
    ggml_backend_tensor_set(whole, numbers.data(), 0, ggml_nbytes(whole));
    CHECK(ggml_backend_graph_compute(backend_.get(), graph) == GGML_STATUS_SUCCESS);
    std::vector<float> results(static_cast<std::size_t>(ggml_nelements(product)));
    ggml_backend_tensor_get(product, results.data(), 0, ggml_nbytes(product));
    return results;
  }

 private:
  Context context_;
  Backend backend_;
  Buffer buffer_;
  ggml_tensor* weights_ = nullptr;
};

// How far two results are apart, beside how large they are.
double distance(const std::vector<float>& one, const std::vector<float>& other) {
  CHECK_EQUAL(one.size(), other.size());
  double apart = 0;
  double size = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(std::isfinite(one[i]));
    const double difference = static_cast<double>(one[i]) - static_cast<double>(other[i]);
    apart += difference * difference;
    size += static_cast<double>(other[i]) * static_cast<double>(other[i]);
  }
  return std::sqrt(apart / size);
}

void test_products(ggml_backend_buffer_type_t amx, ggml_type format) {
  using Layout = Shape::Layout;
  constexpr std::int64_t kColumns = 512;
  const std::vector<float> numbers = some_numbers((kColumns + 8) * 70 * 6, 0.37F);
  double worst = 0;
  bool row_alone_is_same = true;
  for (const std::int64_t outputs : {32, 96, 160, 544}) {
    const std::vector<float> plain = some_numbers(kColumns * outputs, 0.71F);
    std::vector<std::byte> bytes(ggml_row_size(format, kColumns) *
                                 static_cast<std::size_t>(outputs));
    ggml_quantize_chunk(format, plain.data(), bytes.data(), 0, outputs, kColumns, nullptr);
    Products with(amx, format, kColumns, outputs, bytes);
    Products without(ggml_backend_dev_buffer_type(cpu()), format, kColumns, outputs, bytes);
    for (const Shape& shape : {
             Shape{.rows = 1},
             Shape{.rows = 2},
             Shape{.rows = 16},
             Shape{.rows = 17},
             Shape{.rows = 33},
             Shape{.rows = 70},
             Shape{.rows = 1, .sequences = 3},
             Shape{.rows = 5, .sequences = 3},
             Shape{.rows = 7, .sequences = 3, .batches = 2},
             Shape{.rows = 9, .layout = Layout::kRowsApart},
             Shape{.rows = 9, .sequences = 2, .batches = 2, .layout = Layout::kRowsApart},
             Shape{.rows = 9, .sequences = 4, .layout = Layout::kSwapped},
         }) {
      worst =
          std::max(worst, distance(with.compute(shape, numbers), without.compute(shape, numbers)));
    }
    const std::vector<float> alone = with.compute({.rows = 1}, numbers);
    const std::vector<float> among = with.compute({.rows = 9}, numbers);
    row_alone_is_same = row_alone_is_same &&
                        std::memcmp(alone.data(), among.data(), alone.size() * sizeof(float)) == 0;
  }
  std::cout << ggml_type_name(format) << ": " << worst << " apart; a row alone is "
            << (row_alone_is_same ? "the same" : "not quite the same") << " as among others\n";
  // The inputs are rounded to eight bits either way; a few of them to the neighbour.
  CHECK(worst < 2e-3);
}

// Whether the CPU computes a product with weights in such a buffer, asked as the library's loader
// does.
bool takes(ggml_backend_buffer_type_t amx, ggml_type format, std::int64_t columns,
           std::int64_t outputs, std::int64_t matrices) {
  const Context context = new_context();
  ggml_tensor* weights = ggml_new_tensor_3d(context.get(), format, columns, outputs, matrices);
  ggml_tensor* input = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, columns, 8, matrices);
  ggml_tensor* product = ggml_mul_mat(context.get(), weights, input);
  const Buffer buffer(ggml_backend_buft_alloc_buffer(amx, 0));
  weights->buffer = buffer.get();
  return ggml_backend_dev_supports_op(cpu(), product);
}

void test_what_is_taken(ggml_backend_buffer_type_t amx) {
  CHECK(takes(amx, GGML_TYPE_Q8_0, 64, 64, 1));
  CHECK(takes(amx, GGML_TYPE_Q6_K, 256, 32, 1));
  // Half a tile, formats without kernels, more than one matrix, and more than the kernels count to.
  CHECK(!takes(amx, GGML_TYPE_Q8_0, 64, 48, 1));
  CHECK(!takes(amx, GGML_TYPE_F16, 64, 64, 1));
  CHECK(!takes(amx, GGML_TYPE_F32, 64, 64, 1));
  CHECK(!takes(amx, GGML_TYPE_Q5_0, 64, 64, 1));
  CHECK(!takes(amx, GGML_TYPE_Q8_0, 64, 64, 2));
  CHECK(!takes(amx, GGML_TYPE_Q8_0, 1 << 16, 1 << 15, 1));
}

void test_packed_sizes(ggml_backend_buffer_type_t amx) {
  const Context context = new_context();
  const auto size = [&](ggml_type format) {
    const ggml_tensor* weights = ggml_new_tensor_2d(context.get(), format, 512, 64);
    const std::size_t packed = ggml_backend_buft_get_alloc_size(amx, weights);
    CHECK(packed >= ggml_nbytes(weights));
    return static_cast<double>(packed) / static_cast<double>(ggml_nbytes(weights));
  };
  CHECK_EQUAL(size(GGML_TYPE_Q4_0), 1.0);
  CHECK_EQUAL(size(GGML_TYPE_Q8_0), 38.0 / 34.0);
  CHECK_EQUAL(size(GGML_TYPE_F32), 1.0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) ggml_backend_load_all_from_path(argv[1]);
  ggml_backend_buffer_type_t amx = find_amx();
  if (amx == nullptr) {
    std::cout << "skipped: this processor has no AMX\n";
    return kSkipped;
  }
  for (const ggml_type format : {GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q8_0, GGML_TYPE_Q4_K,
                                 GGML_TYPE_Q5_K, GGML_TYPE_Q6_K, GGML_TYPE_IQ4_XS}) {
    test_products(amx, format);
  }
  test_what_is_taken(amx);
  test_packed_sizes(amx);
}
