#include "compilation.hpp"

#include <chrono>
#include <cmath>
#include <memory>

#include "codes.hpp"
#include "context.hpp"
#include "device.hpp"
#include "sha256.hpp"

namespace mobillm::qnn {

namespace {

// Shares of a graph's time, as measured: building it, and compiling it.
constexpr float kBuildShare = 0.3f;
constexpr float kFinalizeShare = 0.6f;

Target target_of(const Device& device, std::optional<std::uint32_t> soc_model) {
  if (soc_model) return {*soc_model, htp_arch_of(*soc_model)};
  const std::vector<DeviceInfo> devices = list_devices(device.library());
  return devices.empty() ? Target{} : devices.front().target;
}

// What was made has to be what was asked for: the library takes configurations that it does not
// know without a word.
void check_result(const BinaryDescription& made, const CompileOptions& options) {
  if (options.soc_model && made.soc_model != *options.soc_model) {
    throw Error(code::kUnsupported, "The library compiled for the chip " +
                                        std::to_string(made.soc_model) + " instead of " +
                                        std::to_string(*options.soc_model) +
                                        ". Use QNN's libraries of a later version.");
  }
  if (made.graphs.size() != options.graphs.size()) {
    throw Error(code::kNativeFailure, "QNN left graphs out of the context binary.");
  }
}

}  // namespace

void check_compile_options(const CompileOptions& options) {
  check_shape(options.shape);
  check_graphs(options.graphs, options.context_tokens);
  check_cache(options.shape, options.context_tokens);
  if (!std::isfinite(options.rms_epsilon) || options.rms_epsilon <= 0) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "rmsEpsilon", "must be positive");
  }
  if (options.output.empty()) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, "output", "must name a file");
  }
}

Compiled compile_llama(const Libraries& libraries, const CompileOptions& options,
                       WeightSource& weights, const AbortFlag& abort) {
  const auto progress = [&](const char* step, float share) {
    if (abort.is_set()) throw Error(code::kAborted, "The compilation was aborted.");
    if (options.on_progress) options.on_progress(step, share);
  };
  Compiled compiled;
  progress("starting", 0);
  auto context = Context::create(std::make_unique<Device>(libraries.backend, options.soc_model),
                                 options.share_weights);
  const Target target = target_of(context->device(), options.soc_model);

  const float part = 1.0f / static_cast<float>(options.graphs.size());
  float done = 0;
  for (const GraphPlan& plan : options.graphs) {
    GraphBuilder builder(*context, plan.name, abort);
    add_llama_graph(
        builder, {options.shape, options.rms_epsilon, plan.tokens, options.context_tokens}, weights,
        abort, [&](std::uint32_t layers) {
          progress("building the graph", done + part * kBuildShare * static_cast<float>(layers) /
                                                    static_cast<float>(options.shape.layers));
        });
    progress("compiling the graph", done + part * kBuildShare);
    const auto start = std::chrono::steady_clock::now();
    builder.finalize();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    compiled.graphs.push_back({plan.name, builder.node_count(), seconds.count()});
    done += part * (kBuildShare + kFinalizeShare);
  }

  progress("making the binary", done);
  std::vector<std::byte> binary = context->to_binary();
  // The context is as large as the binary, and has done its work.
  context.reset();
  progress("writing the binary", 0.95f);
  const BinaryDescription made = describe_binary(*libraries.system, binary);
  check_result(made, options);
  compiled.bytes = binary.size();
  compiled.sha256 = sha256_hex(binary, abort);
  compiled.made_with = {
      made.build_id, made.core_api, made.backend_api, {made.soc_model, target.htp_arch}};
  write_whole_file(options.output, binary);
  if (options.on_progress) options.on_progress("writing the binary", 1);
  return compiled;
}

}  // namespace mobillm::qnn
