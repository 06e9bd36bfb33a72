"""Attention over the paged cache and over the tokens of one prefill.

The runtime computes attention in parts, each with the logarithm of its softmax's denominator in
base 2, and merges them: new tokens among themselves (`prefill_of_new`), new tokens over what the
cache holds (`prefill_of_pages`), and a single new token over a cache that already holds it
(`decode_of_pages`). Parameters are those that `src/runtime/vm/attn_backend.h` in the wheel passes.
Rotation is always done before (`rotary_mode` is 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tvm.ir import Expr
from tvm.script import tirx as T
from tvm.tirx import PrimFunc

from ..spec import ModelParameters
from .cache import PAGE_TOKENS
from .vectors import LOG2_E, exp2, lanes_of, largest_lane, sum_of_lanes

_NOTHING: Final = -1e30
"""Score of a key that is not to be seen, and the maximum before any key was."""

_SMALLEST: Final = 1e-37
"""Added up for keys not seen instead of 0; also keeps the logarithm of an empty part finite."""

_TASK_QUERIES: Final = 32
"""Queries of one head that a task handles; a block of keys is turned once for all of them."""

_STEP_QUERIES: Final = 4
"""Queries whose scores and results are in registers at a time."""


def decode_of_pages(model: ModelParameters) -> PrimFunc:
    """One query a sequence over the sequence's pages."""
    heads, kv_heads, length = model.heads, model.kv_heads, model.head_length
    group, lanes = heads // kv_heads, lanes_of(length)

    @T.prim_func(s_tir=True, private=True)
    def decode(
        query_handle: T.handle,
        page_handle: T.handle,
        page_start_handle: T.handle,
        page_number_handle: T.handle,
        last_page_handle: T.handle,
        key_position_handle: T.handle,
        query_position_handle: T.handle,
        out_handle: T.handle,
        lse_handle: T.handle,
        rotary_mode: T.int32,
        rope_scale: T.float32,
        rope_theta: T.float32,
        score_scale: T.float32,
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        batch = T.int32()
        pages = T.int32()
        numbers = T.int32()
        start_offset = T.int32()
        number_offset = T.int32()
        last_offset = T.int32()
        query = T.match_buffer(query_handle, (batch, heads, length), "float32")
        page = T.match_buffer(page_handle, (pages, 2, kv_heads, PAGE_TOKENS, length), "float32")
        page_start = T.match_buffer(
            page_start_handle, (batch + 1,), "int32", elem_offset=start_offset
        )
        page_number = T.match_buffer(
            page_number_handle, (numbers,), "int32", elem_offset=number_offset
        )
        last_page = T.match_buffer(last_page_handle, (batch,), "int32", elem_offset=last_offset)
        out = T.match_buffer(out_handle, (batch, heads, length), "float32")
        lse = T.match_buffer(lse_handle, (batch, heads), "float32")
        for task in T.parallel(batch * heads):
            with T.sblock("task"):
                T.reads()
                T.writes()
                scaled = T.sblock_alloc_buffer((length,), "float32")
                total = T.sblock_alloc_buffer((length,), "float32")
                product = T.sblock_alloc_buffer((lanes,), "float32", scope="local")
                score = T.sblock_alloc_buffer((PAGE_TOKENS,), "float32")
                largest = T.sblock_alloc_buffer((1,), "float32", scope="local")
                former = T.sblock_alloc_buffer((1,), "float32", scope="local")
                sum_of_weights = T.sblock_alloc_buffer((1,), "float32", scope="local")
                b: T.let[T.int32] = task // heads
                h: T.let[T.int32] = task % heads
                for d in T.serial(length):
                    scaled[d] = query[b, h, d] * (score_scale * T.float32(LOG2_E))
                for d in T.serial(length):
                    total[d] = T.float32(0)
                largest[0] = T.float32(_NOTHING)
                sum_of_weights[0] = T.float32(0)
                for step in T.serial(page_start[b + 1] - page_start[b]):
                    number: T.let[T.int32] = page_number[page_start[b] + step]
                    seen: T.let[T.int32] = T.if_then_else(
                        step == page_start[b + 1] - page_start[b] - 1, last_page[b], PAGE_TOKENS
                    )
                    for r in T.vectorized(PAGE_TOKENS):
                        score[r] = T.float32(_NOTHING)
                    for r in T.serial(seen):
                        for lane in T.vectorized(lanes):
                            product[lane] = T.float32(0)
                        for part in T.unroll(length // lanes):
                            for lane in T.vectorized(lanes):
                                product[lane] += (
                                    scaled[part * lanes + lane]
                                    * page[number, 0, h // group, r, part * lanes + lane]
                                )
                        score[r] = sum_of_lanes(product[T.ramp(0, 1, lanes)])
                    former[0] = largest[0]
                    largest[0] = T.max(largest[0], largest_lane(score[T.ramp(0, 1, PAGE_TOKENS)]))
                    former[0] = exp2(former[0] - largest[0])
                    for r in T.vectorized(PAGE_TOKENS):
                        score[r] = exp2(score[r] - largest[0])
                    sum_of_weights[0] = sum_of_weights[0] * former[0] + sum_of_lanes(
                        score[T.ramp(0, 1, PAGE_TOKENS)]
                    )
                    for part in T.unroll(length // lanes):
                        for lane in T.vectorized(lanes):
                            product[lane] = total[part * lanes + lane] * former[0]
                        for r in T.serial(seen):
                            for lane in T.vectorized(lanes):
                                product[lane] += (
                                    score[r] * page[number, 1, h // group, r, part * lanes + lane]
                                )
                        for lane in T.vectorized(lanes):
                            total[part * lanes + lane] = product[lane]
                for d in T.serial(length):
                    out[b, h, d] = total[d] / T.max(sum_of_weights[0], T.float32(_SMALLEST))
                lse[b, h] = largest[0] + T.log2(T.max(sum_of_weights[0], T.float32(_SMALLEST)))

    return decode


def _queries_over_keys(
    model: ModelParameters, key_at: Callable[..., Expr], value_at: Callable[..., Expr]
) -> Callable[..., None]:
    """Macro: queries `first` to `first + _TASK_QUERIES` of a sequence over its keys.

    `key_at(keys, kv_head, block, row, d)` and `value_at` read row `row` of a block of PAGE_TOKENS
    keys; `keys` is passed on to them untouched.
    """
    heads, kv_heads, length = model.heads, model.kv_heads, model.head_length
    group, lanes = heads // kv_heads, lanes_of(length)
    part_length = 32 if length % 32 == 0 else lanes

    @T.macro
    def attend(
        query: T.Buffer,
        keys: Any,
        out: T.Buffer,
        lse: T.Buffer,
        head: T.int32,
        start: T.int32,  # row of the sequence's first query
        first: T.int32,
        count: T.int32,  # queries of the sequence
        key_count: T.int32,
        causal: T.int32,
        score_scale: T.float32,
    ):
        with T.sblock("task"):
            T.reads()
            T.writes()
            turned = T.sblock_alloc_buffer((length, PAGE_TOKENS), "float32")
            scaled = T.sblock_alloc_buffer((_TASK_QUERIES, length), "float32")
            total = T.sblock_alloc_buffer((_TASK_QUERIES, length), "float32")
            largest = T.sblock_alloc_buffer((_TASK_QUERIES,), "float32")
            weights = T.sblock_alloc_buffer((_TASK_QUERIES,), "float32")
            score = T.sblock_alloc_buffer((_STEP_QUERIES, PAGE_TOKENS), "float32", scope="local")
            weight = T.sblock_alloc_buffer((_STEP_QUERIES, PAGE_TOKENS), "float32")
            former = T.sblock_alloc_buffer((_STEP_QUERIES,), "float32")
            product = T.sblock_alloc_buffer((_STEP_QUERIES, part_length), "float32", scope="local")
            queries: T.let[T.int32] = T.min(count - first, T.int32(_TASK_QUERIES))
            visible: T.let[T.int32] = T.if_then_else(
                causal != 0, T.min(key_count, key_count - count + first + queries), key_count
            )
            for i, d in T.grid(_TASK_QUERIES, length):
                # Rows that are too many compute along with the last query; nothing is kept of them.
                scaled[i, d] = query[start + first + T.min(i, queries - 1), head, d] * (
                    score_scale * T.float32(LOG2_E)
                )
            for i, d in T.grid(_TASK_QUERIES, length):
                total[i, d] = T.float32(0)
            for i in T.serial(_TASK_QUERIES):
                largest[i] = T.float32(_NOTHING)
            for i in T.serial(_TASK_QUERIES):
                weights[i] = T.float32(0)
            for block in T.serial(T.ceildiv(visible, PAGE_TOKENS)):
                seen: T.let[T.int32] = T.min(visible - block * PAGE_TOKENS, T.int32(PAGE_TOKENS))
                for r in T.serial(seen):
                    for d in T.serial(length):
                        turned[d, r] = key_at(keys, head // group, block, r, d)
                for step in T.serial(T.ceildiv(queries, _STEP_QUERIES)):
                    for i in T.unroll(_STEP_QUERIES):
                        for r in T.vectorized(PAGE_TOKENS):
                            score[i, r] = T.float32(0)
                    for d in T.serial(length):
                        for i in T.unroll(_STEP_QUERIES):
                            for r in T.vectorized(PAGE_TOKENS):
                                score[i, r] += scaled[step * _STEP_QUERIES + i, d] * turned[d, r]
                    for i in T.unroll(_STEP_QUERIES):
                        row: T.let[T.int32] = step * _STEP_QUERIES + i
                        limit: T.let[T.int32] = T.if_then_else(
                            causal != 0,
                            T.min(visible, key_count - count + first + row + 1),
                            visible,
                        )
                        for r in T.vectorized(PAGE_TOKENS):
                            score[i, r] = T.Select(
                                block * PAGE_TOKENS + r < limit, score[i, r], T.float32(_NOTHING)
                            )
                        former[i] = largest[row]
                        largest[row] = T.max(
                            largest[row], largest_lane(score[i, T.ramp(0, 1, PAGE_TOKENS)])
                        )
                        former[i] = exp2(former[i] - largest[row])
                        for r in T.vectorized(PAGE_TOKENS):
                            weight[i, r] = exp2(score[i, r] - largest[row])
                        weights[row] = weights[row] * former[i] + sum_of_lanes(
                            weight[i, T.ramp(0, 1, PAGE_TOKENS)]
                        )
                    for part in T.serial(length // part_length):
                        for i in T.unroll(_STEP_QUERIES):
                            for lane in T.vectorized(part_length):
                                product[i, lane] = (
                                    total[step * _STEP_QUERIES + i, part * part_length + lane]
                                    * former[i]
                                )
                        for r in T.serial(seen):
                            for i in T.unroll(_STEP_QUERIES):
                                for lane in T.vectorized(part_length):
                                    product[i, lane] += weight[i, r] * value_at(
                                        keys, head // group, block, r, part * part_length + lane
                                    )
                        for i in T.unroll(_STEP_QUERIES):
                            for lane in T.vectorized(part_length):
                                total[step * _STEP_QUERIES + i, part * part_length + lane] = (
                                    product[i, lane]
                                )
            for i in T.serial(queries):
                for d in T.serial(length):
                    out[start + first + i, head, d] = total[i, d] / T.max(
                        weights[i], T.float32(_SMALLEST)
                    )
                lse[start + first + i, head] = largest[i] + T.log2(
                    T.max(weights[i], T.float32(_SMALLEST))
                )

    return attend


def prefill_of_new(model: ModelParameters) -> PrimFunc:
    """New tokens among themselves, before their keys are in the cache."""
    heads, kv_heads, length = model.heads, model.kv_heads, model.head_length

    attend = _queries_over_keys(
        model,
        lambda keys, head, block, row, d: keys[0][keys[2] + block * PAGE_TOKENS + row, head, d],
        lambda keys, head, block, row, d: keys[1][keys[2] + block * PAGE_TOKENS + row, head, d],
    )

    @T.prim_func(s_tir=True, private=True)
    def prefill(
        query_handle: T.handle,
        query_start_handle: T.handle,
        key_handle: T.handle,
        value_handle: T.handle,
        key_start_handle: T.handle,
        query_position_handle: T.handle,
        key_position_handle: T.handle,
        out_handle: T.handle,
        lse_handle: T.handle,
        causal: T.int32,
        rotary_mode: T.int32,
        rope_scale: T.float32,
        rope_theta: T.float32,
        score_scale: T.float32,
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        batch = T.int32()
        rows = T.int32()
        key_rows = T.int32()
        query_offset = T.int32()
        key_offset = T.int32()
        position_offset = T.int32()
        query = T.match_buffer(query_handle, (rows, heads, length), "float32")
        query_start = T.match_buffer(
            query_start_handle, (batch + 1,), "int32", elem_offset=query_offset
        )
        key = T.match_buffer(key_handle, (key_rows, kv_heads, length), "float32")
        value = T.match_buffer(value_handle, (key_rows, kv_heads, length), "float32")
        key_start = T.match_buffer(key_start_handle, (batch + 1,), "int32", elem_offset=key_offset)
        # Says how many sequences there are; the positions themselves are not needed any more.
        T.match_buffer(key_position_handle, (batch,), "int32", elem_offset=position_offset)
        out = T.match_buffer(out_handle, (rows, heads, length), "float32")
        lse = T.match_buffer(lse_handle, (rows, heads), "float32")
        for b in T.serial(batch):
            for task in T.parallel(
                heads * T.ceildiv(query_start[b + 1] - query_start[b], _TASK_QUERIES)
            ):
                attend(
                    query,
                    (key, value, key_start[b]),
                    out,
                    lse,
                    task % heads,
                    query_start[b],
                    task // heads * _TASK_QUERIES,
                    query_start[b + 1] - query_start[b],
                    key_start[b + 1] - key_start[b],
                    causal,
                    score_scale,
                )

    return prefill


def prefill_of_pages(model: ModelParameters) -> PrimFunc:
    """New tokens over what the cache holds of their sequence."""
    heads, kv_heads, length = model.heads, model.kv_heads, model.head_length

    attend = _queries_over_keys(
        model,
        lambda keys, head, block, row, d: keys[0][keys[1][keys[2] + block], 0, head, row, d],
        lambda keys, head, block, row, d: keys[0][keys[1][keys[2] + block], 1, head, row, d],
    )

    @T.prim_func(s_tir=True, private=True)
    def prefill(
        query_handle: T.handle,
        query_start_handle: T.handle,
        page_handle: T.handle,
        page_start_handle: T.handle,
        page_number_handle: T.handle,
        last_page_handle: T.handle,
        key_position_handle: T.handle,
        query_position_handle: T.handle,
        out_handle: T.handle,
        lse_handle: T.handle,
        causal: T.int32,
        rotary_mode: T.int32,
        rope_scale: T.float32,
        rope_theta: T.float32,
        score_scale: T.float32,
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        batch = T.int32()
        rows = T.int32()
        pages = T.int32()
        numbers = T.int32()
        query_offset = T.int32()
        start_offset = T.int32()
        number_offset = T.int32()
        last_offset = T.int32()
        query = T.match_buffer(query_handle, (rows, heads, length), "float32")
        query_start = T.match_buffer(
            query_start_handle, (batch + 1,), "int32", elem_offset=query_offset
        )
        page = T.match_buffer(page_handle, (pages, 2, kv_heads, PAGE_TOKENS, length), "float32")
        page_start = T.match_buffer(
            page_start_handle, (batch + 1,), "int32", elem_offset=start_offset
        )
        page_number = T.match_buffer(
            page_number_handle, (numbers,), "int32", elem_offset=number_offset
        )
        last_page = T.match_buffer(last_page_handle, (batch,), "int32", elem_offset=last_offset)
        out = T.match_buffer(out_handle, (rows, heads, length), "float32")
        lse = T.match_buffer(lse_handle, (rows, heads), "float32")
        for b in T.serial(batch):
            for task in T.parallel(
                heads * T.ceildiv(query_start[b + 1] - query_start[b], _TASK_QUERIES)
            ):
                attend(
                    query,
                    (page, page_number, page_start[b]),
                    out,
                    lse,
                    task % heads,
                    query_start[b],
                    task // heads * _TASK_QUERIES,
                    query_start[b + 1] - query_start[b],
                    T.if_then_else(
                        page_start[b + 1] == page_start[b],
                        0,
                        (page_start[b + 1] - page_start[b] - 1) * PAGE_TOKENS + last_page[b],
                    ),
                    causal,
                    score_scale,
                )

    return prefill


def merge_parts(model: ModelParameters) -> PrimFunc:
    """Merges a second part of attention into the first, in place."""
    heads, length = model.heads, model.head_length

    @T.prim_func(s_tir=True, private=True)
    def merge(
        out_handle: T.handle, lse_handle: T.handle, other_handle: T.handle, other_lse_handle: T.handle
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        rows = T.int32()
        out = T.match_buffer(out_handle, (rows, heads, length), "float32")
        lse = T.match_buffer(lse_handle, (rows, heads), "float32")
        other = T.match_buffer(other_handle, (rows, heads, length), "float32")
        other_lse = T.match_buffer(other_lse_handle, (rows, heads), "float32")
        for i, h in T.grid(rows, heads):
            with T.sblock("head"):
                T.reads()
                T.writes()
                share = T.sblock_alloc_buffer((2,), "float32")
                largest: T.let[T.float32] = T.max(lse[i, h], other_lse[i, h])
                share[0] = exp2(lse[i, h] - largest)
                share[1] = exp2(other_lse[i, h] - largest)
                for d in T.serial(length):
                    out[i, h, d] = (out[i, h, d] * share[0] + other[i, h, d] * share[1]) / (
                        share[0] + share[1]
                    )
                lse[i, h] = largest + T.log2(share[0] + share[1])

    return merge
