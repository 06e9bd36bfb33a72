// The buffer type of weights that AMX multiplies with, for llama.cpp's CPU back end: compiled into
// it in place of its own (ggml-cpu/amx/amx.cpp), with its kernels (ggml-cpu/amx/mmq.cpp).
//
// Those kernels know products of two matrices whose rows follow each other. llama.cpp's buffer type
// also takes weights of three dimensions, of which it packs the first matrix alone; computes with
// inputs of several sequences as if there were weights for each; and ends the process over inputs
// whose rows lie apart. Recurrent and mixed architectures have such inputs, and those with
// compressed keys and values such weights. Here such weights stay with the other kernels, and every
// input is brought into one matrix.

#include "amx/amx.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "amx/mmq.h"
#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "traits.h"

#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr std::size_t kAlignment = 64;
// Packed, weights take up to an eighth more.
constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max() / 5 * 4;

// Whether the kernels can take the weights: whole tiles, and offsets that fit their `int`.
bool takes_weights(const ggml_tensor* weights) {
  if (!qtype_has_amx_kernels(weights->type)) return false;
  if (weights->ne[2] != 1 || weights->ne[3] != 1) return false;
  if (!ggml_is_contiguous(weights) || weights->view_src != nullptr) return false;
  if (weights->ne[0] % ggml_blck_size(weights->type) != 0) return false;
  return weights->ne[1] % (2 * TILE_N) == 0 && ggml_nbytes(weights) <= kMostBytes;
}

// Bytes of the kernels' own work, so that more can lie behind.
std::size_t kernel_work_size(const ggml_tensor* op) {
  return GGML_PAD(ggml_backend_amx_desired_wsize(op), kAlignment);
}

// Copies a thread's share of an input's rows to where they follow each other.
void gather_rows(const ggml_compute_params* params, const ggml_tensor* input, float* rows) {
  const std::int64_t columns = input->ne[0];
  const std::int64_t count = ggml_nrows(input);
  const std::int64_t share = (count + params->nth - 1) / params->nth;
  const std::int64_t end = std::min(count, share * (params->ith + 1));
  for (std::int64_t row = share * params->ith; row < end; ++row) {
    const std::int64_t i1 = row % input->ne[1];
    const std::int64_t i2 = row / input->ne[1] % input->ne[2];
    const std::int64_t i3 = row / (input->ne[1] * input->ne[2]);
    const char* from = static_cast<const char*>(input->data) + i1 * input->nb[1] +
                       i2 * input->nb[2] + i3 * input->nb[3];
    std::memcpy(rows + row * columns, from, static_cast<std::size_t>(columns) * sizeof(float));
  }
}

// A tensor as one matrix of rows that follow each other.
ggml_tensor as_matrix(const ggml_tensor* tensor) {
  ggml_tensor matrix = *tensor;
  matrix.ne[1] = ggml_nrows(tensor);
  matrix.ne[2] = 1;
  matrix.ne[3] = 1;
  matrix.nb[0] = ggml_type_size(tensor->type);
  matrix.nb[1] = matrix.nb[0] * static_cast<std::size_t>(matrix.ne[0]);
  matrix.nb[2] = matrix.nb[1] * static_cast<std::size_t>(matrix.ne[1]);
  matrix.nb[3] = matrix.nb[2];
  return matrix;
}

class AmxProduct : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int /*threads*/, const ggml_tensor* op, std::size_t& size) override {
    size = kernel_work_size(op);
    if (!ggml_is_contiguous(op->src[1])) {
      size += static_cast<std::size_t>(ggml_nelements(op->src[1])) * sizeof(float);
    }
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
    if (op->op != GGML_OP_MUL_MAT) return false;
    ggml_tensor input = as_matrix(op->src[1]);
    if (!ggml_is_contiguous(op->src[1])) {
      auto* rows =
          reinterpret_cast<float*>(static_cast<char*>(params->wdata) + kernel_work_size(op));
      gather_rows(params, op->src[1], rows);
      input.data = rows;
      ggml_barrier(params->threadpool);
    }
    ggml_tensor output = as_matrix(op);
    output.src[1] = &input;
    ggml_backend_amx_mul_mat(params, &output);
    return true;
  }
};

bool lies_here(const ggml_tensor* tensor) {
  return tensor->buffer != nullptr && tensor->buffer->buft == ggml_backend_amx_buffer_type();
}

class AmxWeights : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t /*device*/, const ggml_tensor* op) override {
    if (op->op != GGML_OP_MUL_MAT || !lies_here(op->src[0]) || !takes_weights(op->src[0])) {
      return false;
    }
    const ggml_tensor* input = op->src[1];
    if (input->buffer != nullptr && !ggml_backend_buft_is_host(input->buffer->buft)) return false;
    // A row's numbers follow each other; the CPU computes with no others.
    return input->type == GGML_TYPE_F32 && input->nb[0] == sizeof(float);
  }

  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* op) override {
    static AmxProduct product;
    return op->op == GGML_OP_MUL_MAT && lies_here(op->src[0]) ? &product : nullptr;
  }
};

void* buffer_base(ggml_backend_buffer_t buffer) { return buffer->context; }

void free_buffer(ggml_backend_buffer_t buffer) { ggml_aligned_free(buffer->context, buffer->size); }

void fill_tensor(ggml_backend_buffer_t /*buffer*/, ggml_tensor* tensor, std::uint8_t value,
                 std::size_t offset, std::size_t size) {
  std::memset(static_cast<char*>(tensor->data) + offset, value, size);
}

// Only whole tensors can be packed, and the loader sets no others.
void set_tensor(ggml_backend_buffer_t /*buffer*/, ggml_tensor* tensor, const void* data,
                std::size_t offset, std::size_t size) {
  GGML_ASSERT(takes_weights(tensor));
  ggml_backend_amx_convert_weight(tensor, data, offset, size);
}

void clear_buffer(ggml_backend_buffer_t buffer, std::uint8_t value) {
  std::memset(buffer->context, value, buffer->size);
}

ggml_backend_buffer_t allocate_buffer(ggml_backend_buffer_type_t type, std::size_t size) {
  // What cannot be packed is not unpacked either: nothing reads such a buffer.
  ggml_backend_buffer_i calls{};
  calls.free_buffer = free_buffer;
  calls.get_base = buffer_base;
  calls.memset_tensor = fill_tensor;
  calls.set_tensor = set_tensor;
  calls.clear = clear_buffer;
  void* data = ggml_aligned_malloc(size);
  return data == nullptr ? nullptr : ggml_backend_buffer_init(type, calls, data, size);
}

const char* type_name(ggml_backend_buffer_type_t /*type*/) { return "AMX"; }

std::size_t type_alignment(ggml_backend_buffer_type_t /*type*/) { return kAlignment; }

std::size_t packed_size(ggml_backend_buffer_type_t /*type*/, const ggml_tensor* tensor) {
  return takes_weights(tensor) ? ggml_backend_amx_get_alloc_size(tensor) : ggml_nbytes(tensor);
}

// The system gives the tile registers to those processes alone that ask.
bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

ggml_backend_buffer_type make_type() {
  static AmxWeights weights;
  ggml_backend_buffer_type type{};
  type.iface.get_name = type_name;
  type.iface.alloc_buffer = allocate_buffer;
  type.iface.get_alignment = type_alignment;
  type.iface.get_alloc_size = packed_size;
  type.device = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
  type.context = static_cast<ggml::cpu::extra_buffer_type*>(&weights);
  return type;
}

}  // namespace

ggml_backend_buffer_type_t ggml_backend_amx_buffer_type() {
  static ggml_backend_buffer_type type = make_type();
  static const bool allowed = may_use_tiles();
  return allowed ? &type : nullptr;
}

#endif
