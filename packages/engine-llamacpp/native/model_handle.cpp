#include "model_handle.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "cpu_load.hpp"
#include "embedding_handle.hpp"
#include "encode_batch.hpp"
#include "memory_rows.hpp"
#include "mobillm/adapter_handle.hpp"
#include "mobillm/generate_options.hpp"
#include "mobillm/option_reader.hpp"
#include "mobillm/sequence_handle.hpp"
#include "option_structs.hpp"
#include "sequence.hpp"

namespace mobillm::llamacpp {

namespace {

Napi::Value facts_object(Napi::Env env, const Model& model) {
  const ModelFacts& facts = model.facts();
  Napi::Object result = Napi::Object::New(env);
  result.Set("architecture", facts.architecture);
  result.Set("name", facts.name);
  result.Set("chatTemplate", facts.chat_template);
  result.Set("rerankTemplate", facts.rerank_template);
  result.Set("trainedContextTokens", facts.trained_context_tokens);
  result.Set("contextTokens", facts.context_tokens);
  result.Set("poolTokens", facts.pool_tokens);
  Napi::Object layers = Napi::Object::New(env);
  for (const auto& [device, count] : facts.layers_by_device) layers.Set(device, count);
  result.Set("layersByDevice", layers);
  result.Set("parameterCount", static_cast<double>(facts.parameter_count));
  result.Set("weightBytes", static_cast<double>(facts.weight_bytes));
  result.Set("embeddingLength", facts.embedding_length);
  return result;
}

const char* source_name(Source source) {
  switch (source) {
    case Source::kGiven:
      return "given";
    case Source::kMeasured:
      return "measured";
    case Source::kCached:
      return "cached";
    case Source::kRequired:
      return "required";
    case Source::kContention:
      return "contention";
    case Source::kDefault:
      break;
  }
  return "default";
}

Napi::Value tuning_object(Napi::Env env, const TuningFacts& facts) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("threads", source_name(facts.threads));
  result.Set("flashAttention", facts.flash);
  result.Set("flashAttentionSource", source_name(facts.flash_source));
  if (facts.flash_measured) result.Set("flashAttentionMeasured", *facts.flash_measured);
  Napi::Array processors = Napi::Array::New(env, facts.processors.size());
  for (std::size_t i = 0; i < facts.processors.size(); ++i) {
    processors.Set(static_cast<std::uint32_t>(i), facts.processors[i]);
  }
  result.Set("processors", processors);
  result.Set("calibrating", facts.calibrating);
  return result;
}

Napi::Value int32_array(Napi::Env env, const std::vector<llama_token>& tokens) {
  Napi::Int32Array array = Napi::Int32Array::New(env, tokens.size());
  if (!tokens.empty())
    std::memcpy(array.Data(), tokens.data(), tokens.size() * sizeof(llama_token));
  return array;
}

Pooling read_pooling(Napi::Value value) {
  const std::string word = read_string(value, "pooling");
  if (word == "mean") return Pooling::kMean;
  if (word == "cls") return Pooling::kCls;
  if (word == "last") return Pooling::kLast;
  if (word == "rank") return Pooling::kRank;
  throw InvalidArgument(InvalidArgument::Kind::kRange, "pooling",
                        "must be one of mean, cls, last, rank");
}

// Lengths of texts that together have so many tokens.
std::vector<std::int32_t> read_lengths(Napi::Value value, std::size_t tokens, std::uint32_t most) {
  std::vector<std::int32_t> lengths = read_int32s(value, "lengths");
  std::size_t sum = 0;
  for (const std::int32_t length : lengths) {
    if (length < 1 || static_cast<std::uint32_t>(length) > most) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, "lengths",
                            "must be from 1 to " + std::to_string(most) + " each");
    }
    sum += static_cast<std::size_t>(length);
  }
  if (sum == tokens && !lengths.empty()) return lengths;
  throw InvalidArgument(InvalidArgument::Kind::kRange, "lengths", "must add up to the tokens");
}

// What is to be encoded, taken over from JavaScript: as it is, since to turn it into UTF-8 is work
// for the threads that encode.
struct Texts {
  std::vector<std::u16string> texts;
  EncodeOptions options;
  int threads = 1;
};

Texts read_texts(const Napi::CallbackInfo& info) {
  Texts read;
  if (!info[0].IsArray()) throw_wrong_type("texts", "an array", info[0]);
  const auto rows = info[0].As<Napi::Array>();
  std::size_t units = 0;
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const Napi::HandleScope scope(info.Env());
    const Napi::Value text = rows.Get(i);
    if (!text.IsString()) throw_wrong_type("texts[" + std::to_string(i) + "]", "a string", text);
    units += read.texts.emplace_back(text.As<Napi::String>().Utf16Value()).size();
  }
  read.options.add_special = read_boolean(info[1], "options.addSpecial");
  read.options.parse_special = read_boolean(info[2], "options.parseSpecial");
  read.threads = encoding_threads(units, allowed_processors());
  return read;
}

std::vector<DeviceMemory> read_adapter_memory(Napi::Value value) {
  if (!value.IsArray()) throw_wrong_type("devices", "an array", value);
  const auto rows = value.As<Napi::Array>();
  std::vector<DeviceMemory> needed;
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "devices[" + std::to_string(i) + "]");
    needed.push_back({.device = row.string("device"),
                      .weights = row.integer<std::uint64_t>("bytes", 0, std::uint64_t{1} << 53)});
  }
  return needed;
}

Napi::Value rows_object(Napi::Env env, const TokenRows& rows) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("tokens", int32_array(env, rows.tokens));
  result.Set("ends", int32_array(env, rows.ends));
  return result;
}

}  // namespace

void ModelHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "Model",
      {method<&ModelHandle::load>("load"), method<&ModelHandle::abort_load>("abortLoad"),
       method<&ModelHandle::vocabulary>("vocabulary"), method<&ModelHandle::encode>("encode"),
       method<&ModelHandle::encode_batch>("encodeBatch"),
       method<&ModelHandle::encode_async>("encodeAsync"), method<&ModelHandle::decode>("decode"),
       method<&ModelHandle::token_bytes>("tokenBytes"),
       method<&ModelHandle::create_sequence>("createSequence"),
       method<&ModelHandle::create_embedding>("createEmbedding"),
       method<&ModelHandle::load_adapter>("loadAdapter"), method<&ModelHandle::adjust>("adjust"),
       method<&ModelHandle::memory>("memory"), getter<&ModelHandle::threads>("threads"),
       getter<&ModelHandle::tuning>("tuning"), method<&ModelHandle::close>("close")});
  exports.Set("Model", constructor);
}

ModelHandle::ModelHandle(const Napi::CallbackInfo& info) : ModelHandleBase(info) {
  guarded(info.Env(), [&] {
    OpenOptions options = read_open_options(info[0]);
    options.on_progress = progress_from(OptionReader(info[0], ""));
    adopt(std::make_shared<Model>(std::move(options)));
  });
}

ModelHandle::~ModelHandle() { stop_encoding(); }

void ModelHandle::stop_now() noexcept {
  stop_encoding();
  ModelHandleBase::stop_now();
}

void ModelHandle::stop_encoding() noexcept {
  if (model() == nullptr) return;
  model()->abort_all();
  model()->text_worker().stop();
  model()->stop_tuning();
}

Napi::Value ModelHandle::load(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model()] {
        model->load();
        return 0;
      },
      [this](Napi::Env env, int) {
        mark_loaded(env);
        return facts_object(env, *model());
      });
}

Napi::Value ModelHandle::abort_load(const Info& info) { return stop_loading(info); }

const Vocabulary& ModelHandle::open_vocabulary() const {
  require_loaded();
  return model()->vocabulary();
}

Napi::Value ModelHandle::vocabulary(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  result.Set("size", vocabulary.size());
  if (vocabulary.bos() != LLAMA_TOKEN_NULL) result.Set("bosToken", vocabulary.bos());
  if (vocabulary.eos() != LLAMA_TOKEN_NULL) result.Set("eosToken", vocabulary.eos());
  result.Set("addsBosToken", vocabulary.adds_bos());
  result.Set("separatorTokens", int32_array(env, vocabulary.separator_tokens()));
  result.Set("endTokens", int32_array(env, vocabulary.end_tokens()));
  const std::vector<SpecialToken> special = vocabulary.special_tokens();
  Napi::Array rows = Napi::Array::New(env, special.size());
  for (std::size_t i = 0; i < special.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("token", special[i].token);
    row.Set("text", special[i].text);
    rows.Set(static_cast<std::uint32_t>(i), row);
  }
  result.Set("specialTokens", rows);
  return result;
}

Napi::Value ModelHandle::encode(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  return int32_array(info.Env(), vocabulary.encode(read_string(info[0], "text"),
                                                   read_boolean(info[1], "options.addSpecial"),
                                                   read_boolean(info[2], "options.parseSpecial")));
}

Napi::Value ModelHandle::encode_batch(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const Texts read = read_texts(info);
  return rows_object(info.Env(),
                     llamacpp::encode_batch(vocabulary, read.texts, read.options, read.threads,
                                            AbortFlag(), *model()->closing()));
}

// encodeAsync(texts, addSpecial, parseSpecial): { rows: Promise, abort() }
Napi::Value ModelHandle::encode_async(const Info& info) {
  open_vocabulary();
  const Napi::Env env = info.Env();
  const auto abort = std::make_shared<AbortFlag>();
  Napi::Object result = Napi::Object::New(env);
  result.Set("rows", environment(info).run(
                         model()->text_worker(), info.This().As<Napi::Object>(),
                         [model = model(), read = read_texts(info), abort] {
                           return llamacpp::encode_batch(model->vocabulary(), read.texts,
                                                         read.options, read.threads, *abort,
                                                         *model->closing());
                         },
                         rows_object));
  result.Set("abort", Napi::Function::New(
                          env, [abort](const Napi::CallbackInfo&) { abort->set(); }, "abort"));
  return result;
}

Napi::Value ModelHandle::decode(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const auto tokens = read_tokens(info[0], "tokens", vocabulary.size());
  // The engine replaces what is not UTF-8 by U+FFFD.
  return Napi::String::New(info.Env(),
                           vocabulary.decode(tokens, read_boolean(info[1], "options.showSpecial")));
}

Napi::Value ModelHandle::token_bytes(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  const auto token = read_integer<llama_token>(info[0], "token", 0, vocabulary.size() - 1);
  const std::string bytes = vocabulary.piece(token, read_boolean(info[1], "options.showSpecial"));
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value ModelHandle::create_sequence(const Info& info) {
  open_vocabulary();
  if (!model()->context_options().generates) {
    throw Error(
        code::kUnsupported,
        "This model computes vectors of texts and does not generate. Use embed or rerank, or "
        "open another model.");
  }
  const auto id = model()->take_sequence_id();
  if (!id) {
    throw Error(code::kBusy,
                "All sequences of the model are in use. Close one, or open the model with more.",
                {{"sequences", static_cast<double>(model()->context_options().sequences)}});
  }
  return SequenceHandle::create(environment(info), info.Env(),
                                std::make_shared<LlamaSequence>(model(), *id),
                                info.This().As<Napi::Object>());
}

Napi::Value ModelHandle::create_embedding(const Info& info) {
  const Vocabulary& vocabulary = open_vocabulary();
  std::vector<Token> tokens = read_tokens(info[0], "tokens", vocabulary.size());
  const std::vector<std::int32_t> lengths =
      read_lengths(info[1], tokens.size(), model()->facts().context_tokens);
  auto job = std::make_shared<EmbeddingJob>(std::move(tokens), lengths, read_pooling(info[2]));
  const std::vector<AdapterUse> adapters = read_adapters(info[3], info[4], *model());
  if (!adapters.empty()) job->adapters = std::make_shared<const AdapterSet>(adapters);
  return EmbeddingHandle::create(environment(info), info.Env(), model(), std::move(job),
                                 info.This().As<Napi::Object>());
}

// loadAdapter(file, devices: { device, bytes }[]): a promise of an Adapter.
Napi::Value ModelHandle::load_adapter(const Info& info) {
  open_vocabulary();
  const CheckedFile file = read_checked_file(info[0]);
  const std::vector<DeviceMemory> needed = read_adapter_memory(info[1]);
  const Napi::Object self = info.This().As<Napi::Object>();
  const auto environment = &this->environment(info);
  return environment->run(
      model()->worker(), self,
      [model = model(), file, needed] { return model->load_adapter(file, needed); },
      [this, environment](Napi::Env env, const std::shared_ptr<LoraAdapter>& adapter) {
        // The promise keeps this object.
        return AdapterHandle::create(*environment, env, adapter, this->Value());
      });
}

Napi::Value ModelHandle::adjust(const Info& info) {
  open_vocabulary();
  const int threads = read_integer<int>(info[0], "threads", 0, 4096);
  const auto batch_tokens = read_integer<std::uint32_t>(info[1], "batchTokens", 0, 1 << 16);
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model(), threads, batch_tokens] {
        model->adjust(threads, batch_tokens);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

Napi::Value ModelHandle::memory(const Info& info) {
  open_vocabulary();
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [model = model()] { return model->memory(); }, memory_rows);
}

Napi::Value ModelHandle::threads(const Info& info) {
  return Napi::Number::New(info.Env(), model()->threads());
}

Napi::Value ModelHandle::tuning(const Info& info) {
  return tuning_object(info.Env(), model()->tuning());
}

Napi::Value ModelHandle::close(const Info& info) { return free_model(info); }

}  // namespace mobillm::llamacpp
