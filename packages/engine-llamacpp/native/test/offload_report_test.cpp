#include "offload_report.hpp"

#include "check.hpp"

using mobillm::llamacpp::LayersByDevice;
using mobillm::llamacpp::parse_offload_report;

int main() {
  const LayersByDevice split = {{"cpu", 1}, {"cuda0", 2}};
  CHECK(parse_offload_report("print_info: n_layer          = 3\n"
                             "load_tensors: layer   0 assigned to device CPU, is_swa = 0\n"
                             "load_tensors: layer   1 assigned to device CUDA0, is_swa = 1\n"
                             "load_tensors: layer   2 assigned to device CUDA0, is_swa = 0\n"
                             // The output, and what the loader says next.
                             "load_tensors: layer   3 assigned to device CUDA0, is_swa = 0\n"
                             "load_tensors: offloading output layer to GPU\n",
                             3) == split);

  // A layer that is missing, told twice, or not told as expected: no half truth.
  CHECK(parse_offload_report("load_tensors: layer   0 assigned to device CPU, is_swa = 0\n", 2)
            .empty());
  CHECK(parse_offload_report("load_tensors: layer   0 assigned to device CPU, is_swa = 0\n"
                             "load_tensors: layer   0 assigned to device CPU, is_swa = 0\n",
                             2)
            .empty());
  CHECK(parse_offload_report("load_tensors: layer   0 assigned to device CPU\n", 1).empty());
  CHECK(parse_offload_report("load_tensors: layer   x assigned to device CPU, is_swa = 0\n", 1)
            .empty());
  CHECK(parse_offload_report("load_tensors: layer ", 1).empty());
  CHECK(parse_offload_report("", 1).empty());
}
