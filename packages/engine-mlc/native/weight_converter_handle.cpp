#include "weight_converter_handle.hpp"

#include <string>
#include <utility>
#include <vector>

#include "mobillm/option_reader.hpp"

namespace mobillm::mlc {

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 53;
constexpr std::uint64_t kMostExtent = std::uint64_t{1} << 28;

Napi::Array read_array(const OptionReader& options, const char* key) {
  const Napi::Value value = options.value(key);
  if (!value.IsArray()) throw_wrong_type(options.path(key), "an array", value);
  return value.As<Napi::Array>();
}

// The second of two words is true.
bool read_choice(const OptionReader& options, const char* key, const char* first,
                 const char* second) {
  const std::string word = options.string(key);
  if (word != first && word != second) {
    throw InvalidArgument(InvalidArgument::Kind::kRange, options.path(key),
                          std::string("must be ") + first + " or " + second);
  }
  return word == second;
}

WeightPart read_part(Napi::Value value) {
  const OptionReader options(value, "part");
  WeightPart part;
  part.tensor.name = options.string("name");
  part.tensor.type = options.integer<std::uint32_t>("type");
  part.tensor.offset = options.integer<std::uint64_t>("offset", 0, kMostBytes);
  part.tensor.columns = options.integer<std::uint64_t>("columns", 1, kMostExtent);
  part.tensor.rows = options.integer<std::uint64_t>("rows", 1, kMostExtent);
  part.order.head_length = options.integer<std::uint64_t>("rotatedHeadLength", 0, 1 << 16);
  return part;
}

Weight read_weight(Napi::Value value) {
  const OptionReader options(value, "weight");
  Weight weight;
  weight.name = options.string("name");
  weight.is_vector = read_choice(options, "kind", "matrix", "vector");
  const Napi::Array parts = read_array(options, "parts");
  for (std::uint32_t i = 0; i < parts.Length(); ++i) {
    weight.parts.push_back(read_part(parts.Get(i)));
  }
  return weight;
}

ConversionPlan read_plan(Napi::Value value) {
  const OptionReader options(value, "");
  ConversionPlan plan;
  plan.source = options.string("source");
  plan.folder = options.string("folder");
  plan.format = read_choice(options, "quantization", "f32", "q4f32") ? WeightFormat::kQ4F32
                                                                     : WeightFormat::kF32;
  plan.layout =
      read_choice(options, "layout", "tiles", "rows") ? WeightLayout::kRows : WeightLayout::kTiles;
  const Napi::Array weights = read_array(options, "weights");
  for (std::uint32_t i = 0; i < weights.Length(); ++i) {
    plan.weights.push_back(read_weight(weights.Get(i)));
  }
  return plan;
}

Napi::Object to_object(Napi::Env env, const TensorRecord& record) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Array shape = Napi::Array::New(env, record.shape.size());
  for (std::uint32_t i = 0; i < record.shape.size(); ++i) {
    shape.Set(i, static_cast<double>(record.shape[i]));
  }
  result.Set("name", record.name);
  result.Set("shape", shape);
  result.Set("dtype", record.dtype);
  result.Set("format", "raw");
  result.Set("nbytes", static_cast<double>(record.nbytes));
  result.Set("byteOffset", static_cast<double>(record.byte_offset));
  return result;
}

Napi::Object to_object(Napi::Env env, const ShardRecord& shard) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Array records = Napi::Array::New(env, shard.records.size());
  for (std::uint32_t i = 0; i < shard.records.size(); ++i) {
    records.Set(i, to_object(env, shard.records[i]));
  }
  result.Set("dataPath", shard.data_path);
  result.Set("format", "raw-shard");
  result.Set("nbytes", static_cast<double>(shard.nbytes));
  result.Set("records", records);
  result.Set("md5sum", shard.md5sum);
  return result;
}

}  // namespace

void WeightConverterHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("WeightConverter", DefineClass(env, "WeightConverter",
                                             {method<&WeightConverterHandle::run>("run"),
                                              getter<&WeightConverterHandle::share>("share"),
                                              method<&WeightConverterHandle::abort>("abort"),
                                              method<&WeightConverterHandle::close>("close")}));
}

WeightConverterHandle::WeightConverterHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    plan_ = std::make_shared<const ConversionPlan>(read_plan(info[0]));
    environment_->add(this);
  });
}

WeightConverterHandle::~WeightConverterHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void WeightConverterHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
}

Napi::Value WeightConverterHandle::run(const Info& info) {
  require_open("The conversion");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [plan = plan_, abort = abort_, progress = progress_] {
        return convert_weights(*plan, *abort, *progress);
      },
      [](Napi::Env env, const std::vector<ShardRecord>& shards) {
        Napi::Array result = Napi::Array::New(env, shards.size());
        for (std::uint32_t i = 0; i < shards.size(); ++i) result.Set(i, to_object(env, shards[i]));
        return result;
      });
}

Napi::Value WeightConverterHandle::share(const Info& info) {
  const auto all = static_cast<double>(progress_->weights_all.load());
  const auto done = static_cast<double>(progress_->weights_done.load());
  return Napi::Number::New(info.Env(), all == 0 ? 0 : done / all);
}

Napi::Value WeightConverterHandle::abort(const Info& info) {
  abort_->set();
  return info.Env().Undefined();
}

// The running job, if any, ends at its next look at the flag: after one slice of 16 MiB.
Napi::Value WeightConverterHandle::close(const Info& info) {
  mark_closed();
  abort_->set();
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(), [] { return 0; },
      [this](Napi::Env env, int) {
        worker_.stop();
        return env.Undefined();
      });
}

}  // namespace mobillm::mlc
