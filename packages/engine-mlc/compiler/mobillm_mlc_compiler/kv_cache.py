"""The library's function that makes a paged key-value cache."""

from __future__ import annotations

from typing import Final

import tvm
from tvm import relax, tirx
from tvm.relax.frontend.nn.llm import kv_cache as stock
from tvm.target import Target

from .kernels import attention, cache
from .spec import ModelParameters

_ARGUMENTS: Final = (
    "max_batch_size",
    "max_total_seq_len",
    "prefill_chunk_size",
    "page_size",
    "support_sliding_window",
)


def add_cache_function(
    builder: relax.BlockBuilder, model: ModelParameters, target: Target, own_kernels: bool
) -> None:
    """Adds `create_tir_paged_kv_cache`, which takes one shape of one number for each argument.

    The page size has to be PAGE_TOKENS, and there is no sliding window: own kernels are not made
    for it.
    """
    numbers = [tirx.Var(name, "int64") for name in _ARGUMENTS]
    shapes = [
        relax.Var(name, relax.ShapeType([number])) for name, number in zip(_ARGUMENTS, numbers)
    ]
    with builder.function("create_tir_paged_kv_cache", params=shapes):
        make = _own_cache if own_kernels else _stock_cache
        builder.emit_func_output(make(builder, model, target, numbers))


def _own_cache(
    builder: relax.BlockBuilder, model: ModelParameters, target: Target, numbers: list[tirx.Var]
) -> relax.Expr:
    """What `TIRPagedKVCache` builds, with our kernels; order as `paged_kv_cache.cc` reads it."""

    def tir(function: tirx.PrimFunc, name: str) -> relax.Expr:
        return relax.Tuple([tvm.ir.StringImm("tirx"), builder.add_func(function, name)])

    none = relax.Tuple([])
    length, kv_heads, page = model.head_length, model.kv_heads, cache.PAGE_TOKENS
    arguments = [
        relax.ShapeExpr(numbers),
        relax.ShapeExpr([0, model.layers]),
        relax.prim_value(model.heads),
        relax.prim_value(kv_heads),
        relax.prim_value(length),
        relax.prim_value(length),
        relax.ShapeExpr([int(stock.AttnKind.MHA)] * model.layers),
        relax.prim_value(False),  # no transfer between machines
        relax.prim_value(stock.RopeMode.NORMAL),
        # Ours is computed in split_and_rotate; these two are only passed through to kernels.
        relax.prim_value(tvm.tirx.FloatImm("float64", model.rope_scale)),
        relax.prim_value(tvm.tirx.FloatImm("float64", model.rope_base)),
        tirx.IntImm("int64", 0),  # no factors of a longer context
        relax.op.zeros((), "float32"),
        builder.add_func(cache.append_to_pages(model), "append_to_pages"),
        tirx.IntImm("int64", 0),  # no latent attention
        tir(attention.prefill_of_new(model), "prefill_of_new"),
        tir(attention.prefill_of_pages(model), "prefill_of_pages"),
        tir(attention.decode_of_pages(model), "decode_of_pages"),
        none,  # prefill with a sliding window
        none,  # decode with a sliding window
        none,  # trees of tokens over pages
        none,  # trees of tokens
        none,  # latent attention
        relax.Tuple([builder.add_func(attention.merge_parts(model), "merge_parts")]),
        builder.add_func(cache.split_and_rotate(model), "split_and_rotate"),
        builder.add_func(stock._copy_single_page_cpu(kv_heads, page, length, "float32"), "copy_page"),
        builder.add_func(
            stock._kv_cache_debug_get_kv(model.layers, kv_heads, length, "float32"), "read_pages"
        ),
        builder.add_func(stock._compact_kv_copy_cpu(kv_heads, length, "float32"), "compact_pages"),
    ]
    return relax.call_pure_packed(
        "vm.builtin.paged_attention_kv_cache_create", *arguments, ty_args=relax.AnyType()
    )


def _stock_cache(
    builder: relax.BlockBuilder, model: ModelParameters, target: Target, numbers: list[tirx.Var]
) -> relax.Expr:
    batch, total, chunk, page, sliding = numbers
    return stock.TIRPagedKVCache(
        attn_kind="mha",
        max_batch_size=batch,
        max_total_seq_len=total,
        prefill_chunk_size=chunk,
        page_size=page,
        support_sliding_window=sliding,
        layer_partition=relax.ShapeExpr([0, model.layers]),
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        qk_head_dim=model.head_length,
        v_head_dim=model.head_length,
        mla_original_qk_head_dim=0,
        mla_original_v_head_dim=0,
        rope_mode=stock.RopeMode.NORMAL,
        rope_scale=model.rope_scale,
        rope_theta=model.rope_base,
        rope_scaling={},
        rope_ext_factors=tirx.IntImm("int64", 0),
        rotary_dim=model.head_length,
        enable_disaggregation=False,
        dtype="float32",
        target=target,
    )._expr
