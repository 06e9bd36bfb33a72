#include "optimize/text_scorer_handle.hpp"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "mobillm/generate_options.hpp"
#include "option_structs.hpp"

namespace mobillm::llamacpp {

namespace {

ScorerUse read_use(const OptionReader& options) {
  const std::string word = options.string("use");
  if (word == "text") return ScorerUse::kText;
  if (word == "weights") return ScorerUse::kWeights;
  if (word == "speed") return ScorerUse::kSpeed;
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path("use"),
                        "must be one of text, weights, speed");
}

Reference read_reference(const OptionReader& options) {
  const std::string word = options.string("reference");
  if (word == "none") return Reference::kNone;
  if (word == "keep") return Reference::kKeep;
  if (word == "compare") return Reference::kCompare;
  throw InvalidArgument(InvalidArgument::Kind::kRange, options.path("reference"),
                        "must be one of none, keep, compare");
}

Napi::Value float_array(Napi::Env env, const std::vector<float>& numbers) {
  Napi::Float32Array array = Napi::Float32Array::New(env, numbers.size());
  if (!numbers.empty()) std::memcpy(array.Data(), numbers.data(), numbers.size() * sizeof(float));
  return array;
}

Napi::Value times_object(Napi::Env env, const StepTimes& times) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("cpuSeconds", times.cpu_seconds);
  result.Set("wallSeconds", times.wall_seconds);
  return result;
}

struct Substitution {
  std::string name;
  ggml_type type;
};

std::vector<Substitution> read_substitutions(Napi::Value value) {
  if (!value.IsArray()) throw_wrong_type("weights", "an array", value);
  const auto rows = value.As<Napi::Array>();
  std::vector<Substitution> substitutions;
  for (std::uint32_t i = 0; i < rows.Length(); ++i) {
    const OptionReader row(rows.Get(i), "weights[" + std::to_string(i) + "]");
    substitutions.push_back(
        {row.string("name"), weight_type_named(row.string("type"), row.path("type"))});
  }
  return substitutions;
}

}  // namespace

void TextScorerHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("TextScorer", DefineClass(env, "TextScorer",
                                        {method<&TextScorerHandle::load>("load"),
                                         method<&TextScorerHandle::abort>("abort"),
                                         method<&TextScorerHandle::encode>("encode"),
                                         method<&TextScorerHandle::score>("score"),
                                         method<&TextScorerHandle::weights>("weights"),
                                         method<&TextScorerHandle::substitute>("substitute"),
                                         method<&TextScorerHandle::restore>("restore"),
                                         method<&TextScorerHandle::measure>("measure"),
                                         method<&TextScorerHandle::close>("close")}));
}

TextScorerHandle::TextScorerHandle(const Napi::CallbackInfo& info) : ModelHandleBase(info) {
  guarded(info.Env(), [&] {
    adopt(std::make_shared<TextScorer>(read_open_options(info[0]),
                                       read_use(OptionReader(info[0], ""))));
  });
}

template <typename Work, typename Convert>
Napi::Value TextScorerHandle::post(const Info& info, Work work, Convert convert) {
  require_loaded();
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [scorer = model(), work = std::move(work)] { return work(*scorer); }, std::move(convert));
}

Napi::Value TextScorerHandle::load(const Info& info) {
  require_open("The model");
  return environment(info).run(
      model()->worker(), info.This().As<Napi::Object>(),
      [scorer = model()] {
        scorer->load();
        return 0;
      },
      [this](Napi::Env env, int) -> Napi::Value {
        mark_loaded(env);
        const Model& loaded = model()->model();
        Napi::Object result = Napi::Object::New(env);
        result.Set("threads", loaded.threads());
        result.Set("contextTokens", loaded.context_tokens());
        result.Set("weightBytes", static_cast<double>(loaded.facts().weight_bytes));
        if (loaded.vocabulary().adds_bos()) result.Set("bosToken", loaded.vocabulary().bos());
        return result;
      });
}

Napi::Value TextScorerHandle::abort(const Info& info) { return stop_loading(info); }

// encode(text): Promise<Int32Array>, without special tokens
Napi::Value TextScorerHandle::encode(const Info& info) {
  return post(
      info,
      [text = read_string(info[0], "text")](TextScorer& scorer) { return scorer.encode(text); },
      [](Napi::Env env, const std::vector<Token>& tokens) {
        Napi::Int32Array array = Napi::Int32Array::New(env, tokens.size());
        if (!tokens.empty()) {
          std::memcpy(array.Data(), tokens.data(), tokens.size() * sizeof(Token));
        }
        return array;
      });
}

// score({ tokens, first, reference, place, learn }): Promise<{ logProbs, divergences, sameBest }>
Napi::Value TextScorerHandle::score(const Info& info) {
  require_loaded();
  const OptionReader options(info[0], "");
  return post(
      info,
      [tokens = read_tokens(options.value("tokens"), "tokens", model()->model().vocabulary_size()),
       first = options.integer<std::uint32_t>("first"), reference = read_reference(options),
       place = options.integer<std::uint32_t>("place"), learn = options.boolean("learn")](
          TextScorer& scorer) { return scorer.score(tokens, first, reference, place, learn); },
      [](Napi::Env env, const TextScore& score) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("logProbs", float_array(env, score.log_probs));
        result.Set("divergences", float_array(env, score.divergences));
        result.Set("sameBest", score.same_best);
        return result;
      });
}

// weights(): Promise<[{ name, columns, rows, type, lookedUp, multiplied, importance }]>
Napi::Value TextScorerHandle::weights(const Info& info) {
  using Row = std::pair<WeightFacts, std::vector<float>>;
  return post(
      info,
      [](TextScorer& scorer) {
        std::vector<Row> rows;
        for (WeightFacts& facts : scorer.weights().facts()) {
          std::vector<float> importance = scorer.weights().importance(facts.name);
          rows.emplace_back(std::move(facts), std::move(importance));
        }
        return rows;
      },
      [](Napi::Env env, const std::vector<Row>& rows) {
        Napi::Array result = Napi::Array::New(env, rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const auto& [facts, importance] = rows[i];
          Napi::Object row = Napi::Object::New(env);
          row.Set("name", facts.name);
          row.Set("columns", static_cast<double>(facts.rows.columns));
          row.Set("rows", static_cast<double>(facts.rows.rows));
          row.Set("lookedUp", facts.looked_up);
          row.Set("multiplied", facts.multiplied);
          row.Set("importance", float_array(env, importance));
          result.Set(static_cast<std::uint32_t>(i), row);
        }
        return result;
      });
}

// substitute([{ name, type }], weighted): Promise<Float64Array>, the relative error of each
Napi::Value TextScorerHandle::substitute(const Info& info) {
  return post(
      info,
      [substitutions = read_substitutions(info[0]),
       weighted = read_boolean(info[1], "weighted")](TextScorer& scorer) {
        std::vector<double> errors;
        for (const auto& [name, type] : substitutions) {
          errors.push_back(scorer.substitute(name, type, weighted).relative());
        }
        return errors;
      },
      [](Napi::Env env, const std::vector<double>& errors) {
        Napi::Float64Array array = Napi::Float64Array::New(env, errors.size());
        std::copy(errors.begin(), errors.end(), array.Data());
        return array;
      });
}

// restore(): Promise<void>: all weights are those of the file again
Napi::Value TextScorerHandle::restore(const Info& info) {
  return post(
      info,
      [](TextScorer& scorer) {
        scorer.weights().restore_all();
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

// measure(prompt, written): Promise<{ prefill, decode }>
Napi::Value TextScorerHandle::measure(const Info& info) {
  require_loaded();
  return post(
      info,
      [prompt = read_tokens(info[0], "prompt", model()->model().vocabulary_size()),
       written = read_integer<std::uint32_t>(info[1], "written")](TextScorer& scorer) {
        return scorer.measure(prompt, written);
      },
      [](Napi::Env env, const SpeedMeasurement& measured) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("prefill", times_object(env, measured.prefill));
        result.Set("decode", times_object(env, measured.decode));
        return result;
      });
}

Napi::Value TextScorerHandle::close(const Info& info) { return free_model(info); }

}  // namespace mobillm::llamacpp
