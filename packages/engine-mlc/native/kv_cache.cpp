#include "kv_cache.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace mobillm::mlc {

namespace {

// Tokens in a page. 16 is what MLC uses, and what its attention kernels are compiled for.
constexpr std::int64_t kPageTokens = 16;
constexpr std::int64_t kSequence = 0;

void require(const Function& function) {
  if (function) return;
  throw Error(code::kUnsupported,
              "This build of the TVM runtime cannot read or write KV caches. Take the runtime of "
              "apache-tvm 0.27.0.post1.");
}

Error refused(const std::string& what) {
  return {code::kUnsupported, "The KV cache of this model cannot be handed over: " + what + "."};
}

Value entry(const Value& map, const char* key) {
  return require_global("ffi.MapGetItem")(map, key);
}

std::pair<KvDtype, abi::DataType> dtype_named(const std::string& name) {
  if (name == "float32") return {KvDtype::kF32, {abi::kFloatingPoint, 32, 1}};
  if (name == "float16") return {KvDtype::kF16, {abi::kFloatingPoint, 16, 1}};
  if (name == "bfloat16") return {KvDtype::kBf16, {abi::kBrainFloat, 16, 1}};
  throw refused("its numbers are of the type " + name);
}

std::int64_t pages_of(const KvLayout& layout, std::int64_t tokens) {
  return (tokens + layout.page_tokens - 1) / layout.page_tokens;
}

// The pages of one layer in host memory: [1, pages, 2, kv_heads, page_tokens, head_length].
class LayerPages {
 public:
  LayerPages(const KvLayout& layout, std::int64_t tokens)
      : layout_(layout), element_bytes_(kv_element_bytes(layout.dtype)) {
    const std::int64_t pages = pages_of(layout, tokens);
    tensor_ = require_global("runtime.TVMTensorAllocWithScope")(
        make_shape({1, pages, 2, layout.kv_heads, layout.page_tokens, layout.head_length}),
        layout.data_type, abi::Device{abi::kCpu, 0}, nullptr);
    data_ = static_cast<std::byte*>(tensor_.tensor().data) + tensor_.tensor().byte_offset;
    bytes_ = static_cast<std::size_t>(pages) * page_bytes();
  }

  const Value& tensor() const { return tensor_; }
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  // Calls `visit(row, head, first, count)` for each run of tokens of a head that lies in one page;
  // `part` is 0 for keys and 1 for values.
  template <typename Visit>
  void for_each_run(int part, std::int64_t from, std::int64_t until, Visit visit) const {
    for (std::int64_t head = 0; head < layout_.kv_heads; ++head) {
      for (std::int64_t token = from; token < until;) {
        const std::int64_t in_page = token % layout_.page_tokens;
        const std::int64_t count = std::min(layout_.page_tokens - in_page, until - token);
        const std::int64_t row =
            (((token / layout_.page_tokens) * 2 + part) * layout_.kv_heads + head) *
                layout_.page_tokens +
            in_page;
        visit(data_ + static_cast<std::size_t>(row) * row_bytes(), head, token, count);
        token += count;
      }
    }
  }

  std::size_t row_bytes() const {
    return static_cast<std::size_t>(layout_.head_length) * element_bytes_;
  }

 private:
  std::size_t page_bytes() const {
    return 2 * static_cast<std::size_t>(layout_.kv_heads * layout_.page_tokens) * row_bytes();
  }

  const KvLayout& layout_;
  std::size_t element_bytes_;
  Value tensor_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

void throw_if(const AbortFlag& abort) {
  if (abort.is_set()) throw Error(code::kAborted, "The call was aborted.");
}

// Writes one layer's keys or values of a snapshot behind the first `total` tokens.
void write_rows(const LayerPages& pages, int part, const KvView& in, std::int64_t layer,
                std::int64_t total, const KvShape& shape) {
  const KvLayerView& source = in.layers[static_cast<std::size_t>(layer)];
  const std::byte* rows = part == 0 ? source.keys : source.values;
  const std::int32_t length = part == 0 ? shape.key_length : shape.value_length;
  const std::size_t in_row = static_cast<std::size_t>(length) * kv_element_bytes(in.dtype);
  const auto count_in = static_cast<std::int64_t>(in.tokens);
  pages.for_each_run(
      part, total, total + count_in,
      [&](std::byte* out, std::int64_t head, std::int64_t token, std::int64_t count) {
        const std::size_t first = static_cast<std::size_t>(head * count_in + token - total);
        convert_kv_rows(rows + first * in_row, in_row, {in.dtype, in.pairing}, out,
                        pages.row_bytes(), {shape.dtype, shape.rope.pairing},
                        static_cast<std::size_t>(count), length,
                        part == 0 ? shape.rope.rotated_length : 0);
      });
}

}  // namespace

KvFunctions::KvFunctions()
    : shape(require_global("ffi.Shape")),
      add_sequence(require_global("vm.builtin.kv_state_add_sequence")),
      begin_forward(require_global("vm.builtin.kv_state_begin_forward")),
      end_forward(require_global("vm.builtin.kv_state_end_forward")),
      pop(require_global("vm.builtin.kv_state_popn")),
      checkpoint_metadata(find_global("vm.builtin.attention_kv_cache_get_checkpoint_metadata")),
      export_group(find_global("vm.builtin.attention_kv_cache_export_page_group")),
      prepare_import(find_global("vm.builtin.attention_kv_cache_prepare_import")),
      import_group(find_global("vm.builtin.attention_kv_cache_import_page_group")),
      finish_import(find_global("vm.builtin.attention_kv_cache_finish_import")) {}

KvCache::KvCache(const KvFunctions& functions, const Function& create, KvCacheSize size)
    : functions_(&functions), create_(&create), size_(size) {
  cache_ = create(make_shape({1}), make_shape({size.context_tokens}),
                  make_shape({size.chunk_tokens}), make_shape({kPageTokens}), make_shape({0}));
  functions.add_sequence(cache_, kSequence);
  sequence_ = make_shape({kSequence});
}

void KvCache::begin_step(std::int64_t count) {
  functions_->begin_forward(cache_, sequence_, functions_->shape(count));
}

void KvCache::end_step() { functions_->end_forward(cache_); }

void KvCache::pop(std::int64_t count) { functions_->pop(cache_, kSequence, count); }

Value KvCache::metadata() const {
  require(functions_->checkpoint_metadata);
  try {
    const std::string text = functions_->checkpoint_metadata(cache_, kSequence).text();
    return require_global("ffi.json.Parse")(text);
  } catch (const TvmError& error) {
    throw refused(error.reason());
  }
}

KvLayout KvCache::layout() const {
  for (const Function* function : {&functions_->export_group, &functions_->prepare_import,
                                   &functions_->import_group, &functions_->finish_import}) {
    require(*function);
  }
  const Value told = metadata();
  KvLayout layout;
  layout.page_tokens = entry(told, "page_size").integer();
  layout.layers = entry(told, "num_layers").integer();
  layout.kv_heads = entry(told, "num_kv_heads").integer();
  layout.head_length = entry(told, "qk_head_dim").integer();
  std::tie(layout.dtype, layout.data_type) = dtype_named(entry(told, "dtype").text());
  layout.rope_base = entry(told, "rotary_theta").number();
  layout.rope_scale = entry(told, "rotary_scale").number();
  if (entry(told, "rope_mode").text() != "normal") {
    throw refused("its keys are stored before they are rotated");
  }
  constexpr const char* kPageLayout = "1,num_logical_pages,2,num_kv_heads,page_size,qk_head_dim";
  if (entry(told, "page_group_layout").text() != kPageLayout || layout.page_tokens < 1) {
    throw refused("its pages are laid out in a way that this engine does not know");
  }
  return layout;
}

void KvCache::export_tokens(const KvLayout& layout, std::int64_t total, const KvShape& shape,
                            KvSpan out, const AbortFlag& abort) const {
  const auto count_out = static_cast<std::int64_t>(out.tokens);
  const std::int64_t from = total - count_out;
  if (count_out == 0) return;
  const LayerPages pages(layout, total);
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    throw_if(abort);
    functions_->export_group(cache_, kSequence, layer, pages.tensor());
    std::byte* const targets[] = {out.keys(shape, static_cast<std::int32_t>(layer)),
                                  out.values(shape, static_cast<std::int32_t>(layer))};
    for (int part = 0; part < 2; ++part) {
      pages.for_each_run(
          part, from, total,
          [&](const std::byte* in, std::int64_t head, std::int64_t token, std::int64_t count) {
            const auto first = static_cast<std::size_t>(head * count_out + token - from);
            std::memcpy(targets[part] + first * pages.row_bytes(), in,
                        static_cast<std::size_t>(count) * pages.row_bytes());
          });
    }
  }
}

KvCache KvCache::with_appended(const KvLayout& layout, std::int64_t total, const KvShape& shape,
                               const KvView& in, const AbortFlag& abort) const {
  const std::int64_t tokens = total + static_cast<std::int64_t>(in.tokens);
  KvCache result(*functions_, *create_, size_);
  functions_->prepare_import(result.cache_, kSequence,
                             metadata_for(result.metadata(), layout, tokens));
  const LayerPages merged(layout, tokens);
  // Rows of the last page behind the last token.
  std::memset(merged.data(), 0, merged.bytes());
  const std::optional<LayerPages> own =
      total > 0 ? std::optional<LayerPages>(std::in_place, layout, total) : std::nullopt;
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    throw_if(abort);
    if (own) {
      functions_->export_group(cache_, kSequence, layer, own->tensor());
      std::memcpy(merged.data(), own->data(), own->bytes());
    }
    for (int part = 0; part < 2; ++part) write_rows(merged, part, in, layer, total, shape);
    functions_->import_group(result.cache_, kSequence, layer, merged.tensor());
  }
  functions_->finish_import(result.cache_, kSequence);
  return result;
}

// The metadata of an empty cache, made into that of one with `tokens` tokens.
std::string KvCache::metadata_for(const Value& metadata, const KvLayout& layout,
                                  std::int64_t tokens) const {
  const Function make_map = require_global("ffi.Map");
  const std::int64_t pages = pages_of(layout, tokens);
  std::vector<Value> page_list;
  for (std::int64_t page = 0; page < pages; ++page) {
    const std::int64_t start = page * layout.page_tokens;
    page_list.push_back(make_map("logical_page_index", page, "start_pos", start, "length",
                                 std::min(layout.page_tokens, tokens - start)));
  }
  const std::int64_t page_bytes = 2 * layout.kv_heads * layout.page_tokens * layout.head_length *
                                  static_cast<std::int64_t>(kv_element_bytes(layout.dtype));
  const std::int64_t first_layer = entry(metadata, "layer_begin").integer();
  const Value dtype = entry(metadata, "dtype");
  const Value group_shape = require_global("ffi.Array")(1, pages, 2, layout.kv_heads,
                                                        layout.page_tokens, layout.head_length);
  std::vector<Value> groups;
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    groups.push_back(make_map("group_index", layer, "layer_begin", first_layer + layer, "layer_end",
                              first_layer + layer + 1, "num_logical_pages", pages, "dtype", dtype,
                              "shape", group_shape, "nbytes", pages * page_bytes));
  }
  std::vector<std::pair<Value, Value>> entries;
  for_each_entry(metadata, [&](Value key, Value value) {
    const std::string name = key.text();
    if (name == "seq_length" || name == "logical_pages" || name == "groups") return;
    entries.emplace_back(std::move(key), std::move(value));
  });
  const Value page_array = make_array(page_list);
  const Value group_array = make_array(groups);
  std::vector<Argument> arguments{"seq_length", tokens,   "logical_pages",
                                  page_array,   "groups", group_array};
  for (const auto& [key, value] : entries) {
    arguments.emplace_back(key);
    arguments.emplace_back(value);
  }
  return require_global("ffi.json.Stringify")(make_map.call(arguments), nullptr).text();
}

}  // namespace mobillm::mlc
