#include "offload.hpp"

#include "check.hpp"

using mobillm::llamacpp::Offload;
using mobillm::llamacpp::share_layers;

namespace {

using Counts = std::vector<std::uint32_t>;

}  // namespace

int main() {
  CHECK(share_layers({1, 1}, 4) == (Counts{2, 2}));
  CHECK(share_layers({3, 1}, 4) == (Counts{3, 1}));
  CHECK(share_layers({1}, 30) == Counts{30});
  CHECK(share_layers({1, 1, 1}, 4) == (Counts{2, 1, 1}));
  CHECK(share_layers({0.1, 0.2, 0.7}, 10) == (Counts{1, 2, 7}));
  CHECK(share_layers({1000, 1}, 3) == (Counts{3, 0}));
  CHECK(share_layers({1, 2}, 0) == (Counts{0, 0}));

  CHECK(Offload{}.is_cpu_only());
  Offload none;
  none.devices = {"gpu"};
  none.layers = Offload::Layers::kCount;
  CHECK(none.is_cpu_only());
  none.count = 1;
  CHECK(!none.is_cpu_only());
}
