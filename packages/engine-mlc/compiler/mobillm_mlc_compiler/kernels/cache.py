"""Kernels that the runtime's paged key-value cache calls around attention.

Their parameters are what `vm.builtin.paged_attention_kv_cache_create` of TVM's runtime passes
(`src/runtime/vm/paged_kv_cache.cc` in the wheel).
"""

from __future__ import annotations

import math
from typing import Final

from tvm.script import tirx as T
from tvm.tirx import PrimFunc

from ..spec import ModelParameters

PAGE_TOKENS: Final = 16
"""Tokens in a page of the cache; its pages are `[pages, 2, kvHeads, PAGE_TOKENS, headLength]`."""


def split_and_rotate(model: ModelParameters) -> PrimFunc:
    """Splits the fused projection into queries, keys and values, and rotates queries and keys.

    Value i of a head is rotated against value i + headLength / 2 (neox pairing). Angles are computed
    once a token and serve all heads.
    """
    heads, kv_heads, length = model.heads, model.kv_heads, model.head_length
    half = length // 2
    octaves = -2 * math.log2(model.rope_base) / length

    @T.macro
    def rotate_head(
        source: T.Buffer,
        target: T.Buffer,
        turn: T.Buffer,
        i: T.int64,
        source_head: T.int64,
        target_head: T.int64,
    ):
        for d in T.serial(T.int64(half)):
            target[i, target_head, d] = (
                source[i, source_head, d] * turn[0, d]
                - source[i, source_head, half + d] * turn[1, d]
            )
        for d in T.serial(T.int64(half)):
            target[i, target_head, half + d] = (
                source[i, source_head, half + d] * turn[0, d]
                + source[i, source_head, d] * turn[1, d]
            )

    @T.prim_func(s_tir=True, private=True)
    def rotate(
        fused_handle: T.handle,
        position_handle: T.handle,
        query_handle: T.handle,
        key_handle: T.handle,
        value_handle: T.handle,
        rotates: T.int64,  # always 1: the cache is made with RopeMode.NORMAL
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        position_offset = T.int64()
        source = T.match_buffer(fused_handle, (count, heads + 2 * kv_heads, length), "float32")
        position = T.match_buffer(position_handle, (count,), "int32", elem_offset=position_offset)
        query = T.match_buffer(query_handle, (count, heads, length), "float32")
        key = T.match_buffer(key_handle, (count, kv_heads, length), "float32")
        value = T.match_buffer(value_handle, (count, kv_heads, length), "float32")
        with T.sblock("root"):
            T.reads()
            T.writes()
            frequency = T.sblock_alloc_buffer((half,), "float32")
            turn = T.sblock_alloc_buffer((2, half), "float32")
            for d in T.serial(T.int64(half)):
                # In double precision: an error grows with the position.
                frequency[d] = T.Cast(
                    "float32",
                    T.float64(model.rope_scale)
                    * T.exp2(T.Cast("float64", d) * T.float64(octaves)),
                )
            for i in T.serial(count):
                for d in T.serial(T.int64(half)):
                    turn[0, d] = T.cos(T.Cast("float32", position[i]) * frequency[d])
                    turn[1, d] = T.sin(T.Cast("float32", position[i]) * frequency[d])
                for head in T.serial(T.int64(heads)):
                    rotate_head(source, query, turn, i, head, head)
                for head in T.serial(T.int64(kv_heads)):
                    rotate_head(source, key, turn, i, heads + head, head)
                for head, d in T.grid(T.int64(kv_heads), T.int64(length)):
                    value[i, head, d] = source[i, heads + kv_heads + head, d]

    return rotate


def append_to_pages(model: ModelParameters) -> PrimFunc:
    """Writes new keys and values to the slots that the runtime chose; slot -1 is left out."""
    kv_heads, length = model.kv_heads, model.head_length

    @T.prim_func(s_tir=True, private=True)
    def append(
        page_handle: T.handle, key_handle: T.handle, value_handle: T.handle, slot_handle: T.handle
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        pages = T.int64()
        page_offset = T.int64()
        slot_offset = T.int64()
        page = T.match_buffer(
            page_handle,
            (pages, 2, kv_heads, PAGE_TOKENS, length),
            "float32",
            elem_offset=page_offset,
        )
        key = T.match_buffer(key_handle, (count, kv_heads, length), "float32")
        value = T.match_buffer(value_handle, (count, kv_heads, length), "float32")
        slot = T.match_buffer(slot_handle, (count,), "int32", elem_offset=slot_offset)
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for i in T.serial(count):
                if slot[i] != T.int32(-1):
                    for head, d in T.grid(T.int64(kv_heads), T.int64(length)):
                        page[slot[i] // PAGE_TOKENS, 0, head, slot[i] % PAGE_TOKENS, d] = key[i, head, d]
                    for head, d in T.grid(T.int64(kv_heads), T.int64(length)):
                        page[slot[i] // PAGE_TOKENS, 1, head, slot[i] % PAGE_TOKENS, d] = value[
                            i, head, d
                        ]

    return append
