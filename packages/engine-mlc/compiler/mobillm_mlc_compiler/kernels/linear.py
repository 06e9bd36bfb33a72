"""Products of activations with a weight matrix, and rows taken from one.

Weights are stored in tiles of TILE output features, the last tile filled up with zeros: whatever the
input is, a kernel then reads weights one after the other with one output feature a lane, and nothing
has to be transposed or added across lanes. In floats a matrix is `[tiles, inputs, TILE]`. In 4 bits a
word holds eight inputs of one feature, lowest bits first: `[tiles, inputs / 8, TILE]` words and
`[tiles, inputs / QUANTIZED_GROUP, TILE]` scales; a weight is `(nibble - ZERO_POINT) * scale`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tvm.ir import Expr
from tvm.script import tirx as T
from tvm.tirx import PrimFunc

from ..spec import QUANTIZED_GROUP
from ..target import MatrixBlock

TILE: Final = 32
"""Output features a tile: two vectors of AVX-512, four of AVX2, eight of NEON."""

NIBBLES: Final = 8
"""Weights in one word."""

ZERO_POINT: Final = 7
"""The nibble that stands for zero."""

_GROUP_WORDS: Final = QUANTIZED_GROUP // NIBBLES


def tiles_of(features: int) -> int:
    """Tiles of a matrix with so many output features."""
    return (features + TILE - 1) // TILE


def _nibble(word: Expr, index: int | Expr) -> Expr:
    """The weight at `index` of a word, ZERO_POINT too large and not yet scaled."""
    bits = T.bitwise_and(T.shift_right(word, T.Cast("uint32", index * 4)), T.uint32(15))
    return T.Cast("float32", T.reinterpret("int32", bits))


def vector_product_f32(features: int, inputs: int) -> PrimFunc:
    """`out[0, 0, :] = weights @ x[0, 0, :]`; bound by how fast memory gives the weights."""
    tiles = tiles_of(features)
    # Independent sums, since one addition takes longer than loading what it adds.
    chains = next(count for count in (4, 2, 1) if inputs % count == 0)

    @T.prim_func(s_tir=True, private=True)
    def vector_product(x_handle: T.handle, weight_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        x = T.match_buffer(x_handle, (1, 1, inputs), "float32")
        weight = T.match_buffer(weight_handle, (tiles, inputs, TILE), "float32")
        out = T.match_buffer(out_handle, (1, 1, features), "float32")
        for tile in T.parallel(T.int64(tiles)):
            with T.sblock("tile"):
                T.reads()
                T.writes()
                total = T.sblock_alloc_buffer((chains, TILE), "float32", scope="local")
                for chain in T.unroll(chains):
                    for lane in T.vectorized(TILE):
                        total[chain, lane] = T.float32(0)
                for step in T.serial(T.int64(inputs // chains)):
                    for chain in T.unroll(chains):
                        for lane in T.vectorized(TILE):
                            total[chain, lane] += (
                                x[0, 0, step * chains + chain]
                                * weight[tile, step * chains + chain, lane]
                            )
                for chain in T.unroll(chains - 1):
                    for lane in T.vectorized(TILE):
                        total[0, lane] += total[chain + 1, lane]
                for lane in T.serial(TILE):
                    if tile * TILE + lane < features:
                        out[0, 0, tile * TILE + lane] = total[0, lane]

    return vector_product


def vector_product_q4(features: int, inputs: int) -> PrimFunc:
    """The same on 4-bit weights.

    Nibbles are multiplied as they are; that they are ZERO_POINT too large is set right by the sum of
    each group's inputs, which is the same for all features.
    """
    tiles, groups = tiles_of(features), inputs // QUANTIZED_GROUP

    @T.prim_func(s_tir=True, private=True)
    def vector_product(
        x_handle: T.handle, word_handle: T.handle, scale_handle: T.handle, out_handle: T.handle
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        x = T.match_buffer(x_handle, (1, 1, inputs), "float32")
        word = T.match_buffer(word_handle, (tiles, groups * _GROUP_WORDS, TILE), "uint32")
        scale = T.match_buffer(scale_handle, (tiles, groups, TILE), "float32")
        out = T.match_buffer(out_handle, (1, 1, features), "float32")
        with T.sblock("root"):
            T.reads()
            T.writes()
            offset = T.sblock_alloc_buffer((groups,), "float32")
            for group in T.serial(T.int64(groups)):
                offset[group] = T.float32(0)
                for item in T.serial(T.int64(QUANTIZED_GROUP)):
                    offset[group] += x[0, 0, group * QUANTIZED_GROUP + item]
                offset[group] *= T.float32(ZERO_POINT)
            for tile in T.parallel(T.int64(tiles)):
                with T.sblock("tile"):
                    T.reads()
                    T.writes()
                    total = T.sblock_alloc_buffer((TILE,), "float32", scope="local")
                    partial = T.sblock_alloc_buffer((2, TILE), "float32", scope="local")
                    for lane in T.vectorized(TILE):
                        total[lane] = T.float32(0)
                    for group in T.serial(T.int64(groups)):
                        for lane in T.vectorized(TILE):
                            partial[0, lane] = T.float32(0) - offset[group]
                        for lane in T.vectorized(TILE):
                            partial[1, lane] = T.float32(0)
                        for step in T.unroll(_GROUP_WORDS):
                            for item in T.unroll(NIBBLES):
                                for lane in T.vectorized(TILE):
                                    partial[item % 2, lane] += (
                                        x[0, 0, group * QUANTIZED_GROUP + step * NIBBLES + item]
                                        * _nibble(
                                            word[tile, group * _GROUP_WORDS + step, lane], item
                                        )
                                    )
                        for lane in T.vectorized(TILE):
                            total[lane] += (partial[0, lane] + partial[1, lane]) * scale[
                                tile, group, lane
                            ]
                    for lane in T.serial(TILE):
                        if tile * TILE + lane < features:
                            out[0, 0, tile * TILE + lane] = total[lane]

    return vector_product


def _block_product(
    features: int, inputs: int, block: MatrixBlock, read: Callable[[Any, Any, Any, Any], Expr]
) -> Callable[..., None]:
    """Macro: rows `row` to `row + rows` of the activations times a tile of weights.

    The sums stay in registers; `read(panel, tile, input, lane)` is a weight.
    """
    lanes = block.lanes

    def of_rows(rows: int) -> Callable[..., None]:
        @T.macro
        def product(x: T.Buffer, panel: T.Buffer, out: T.Buffer, tile: T.int64, row: T.int64):
            for part in T.serial(T.int64(TILE // lanes)):
                with T.sblock("block"):
                    T.reads()
                    T.writes()
                    total = T.sblock_alloc_buffer((rows, lanes), "float32", scope="local")
                    for r in T.unroll(rows):
                        for lane in T.vectorized(lanes):
                            total[r, lane] = T.float32(0)
                    for k in T.serial(T.int64(inputs)):
                        for r in T.unroll(rows):
                            for lane in T.vectorized(lanes):
                                total[r, lane] += x[0, row + r, k] * read(
                                    panel, tile, k, part * lanes + lane
                                )
                    if tile * TILE + part * lanes + lanes <= features:
                        for r in T.unroll(rows):
                            for lane in T.vectorized(lanes):
                                out[0, row + r, tile * TILE + part * lanes + lane] = total[r, lane]
                    else:
                        for r in T.unroll(rows):
                            for lane in T.unroll(lanes):
                                if tile * TILE + part * lanes + lane < features:
                                    out[0, row + r, tile * TILE + part * lanes + lane] = total[
                                        r, lane
                                    ]

        return product

    many, one = of_rows(block.rows), of_rows(1)

    @T.macro
    def all_rows(x: T.Buffer, panel: T.Buffer, out: T.Buffer, tile: T.int64, count: T.int64):
        # The last block starts early rather than being shorter: it computes some rows again, to the
        # same result, which is quicker than a loop for what is left over.
        if count >= block.rows:
            for step in T.serial(T.ceildiv(count, T.int64(block.rows))):
                many(x, panel, out, tile, T.min(step * block.rows, count - block.rows))
        else:
            for step in T.serial(count):
                one(x, panel, out, tile, step)

    return all_rows


def matrix_product_f32(features: int, inputs: int, block: MatrixBlock) -> PrimFunc:
    """`out[0, i, :] = weights @ x[0, i, :]` for any number of rows."""
    tiles = tiles_of(features)
    all_rows = _block_product(
        features, inputs, block, lambda panel, tile, k, lane: panel[tile, k, lane]
    )

    @T.prim_func(s_tir=True, private=True)
    def matrix_product(x_handle: T.handle, weight_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        x = T.match_buffer(x_handle, (1, count, inputs), "float32")
        weight = T.match_buffer(weight_handle, (tiles, inputs, TILE), "float32")
        out = T.match_buffer(out_handle, (1, count, features), "float32")
        for tile in T.parallel(T.int64(tiles)):
            all_rows(x, weight, out, tile, count)

    return matrix_product


def matrix_product_q4(features: int, inputs: int, block: MatrixBlock) -> PrimFunc:
    """The same on 4-bit weights; each thread unpacks a tile once for all rows."""
    tiles, groups = tiles_of(features), inputs // QUANTIZED_GROUP
    all_rows = _block_product(features, inputs, block, lambda panel, tile, k, lane: panel[k, lane])

    @T.prim_func(s_tir=True, private=True)
    def matrix_product(
        x_handle: T.handle, word_handle: T.handle, scale_handle: T.handle, out_handle: T.handle
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        x = T.match_buffer(x_handle, (1, count, inputs), "float32")
        word = T.match_buffer(word_handle, (tiles, groups * _GROUP_WORDS, TILE), "uint32")
        scale = T.match_buffer(scale_handle, (tiles, groups, TILE), "float32")
        out = T.match_buffer(out_handle, (1, count, features), "float32")
        for tile in T.parallel(T.int64(tiles)):
            with T.sblock("tile"):
                T.reads()
                T.writes()
                panel = T.sblock_alloc_buffer((inputs, TILE), "float32")
                for group in T.serial(T.int64(groups)):
                    for step in T.unroll(_GROUP_WORDS):
                        for item in T.unroll(NIBBLES):
                            for lane in T.vectorized(TILE):
                                panel[group * QUANTIZED_GROUP + step * NIBBLES + item, lane] = (
                                    _nibble(word[tile, group * _GROUP_WORDS + step, lane], item)
                                    - T.float32(ZERO_POINT)
                                ) * scale[tile, group, lane]
                all_rows(x, panel, out, tile, count)

    return matrix_product


def take_rows_f32(features: int, inputs: int) -> PrimFunc:
    """`out[i, :] = weights[rows[i], :]`."""
    tiles = tiles_of(features)

    @T.prim_func(s_tir=True, private=True)
    def take_rows(weight_handle: T.handle, row_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        weight = T.match_buffer(weight_handle, (tiles, inputs, TILE), "float32")
        row = T.match_buffer(row_handle, (count,), "int32")
        out = T.match_buffer(out_handle, (count, inputs), "float32")
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for i in T.serial(count):
                for k in T.serial(T.int64(inputs)):
                    out[i, k] = weight[row[i] // TILE, k, row[i] % TILE]

    return take_rows


def take_rows_q4(features: int, inputs: int) -> PrimFunc:
    """The same on 4-bit weights."""
    tiles, groups = tiles_of(features), inputs // QUANTIZED_GROUP

    @T.prim_func(s_tir=True, private=True)
    def take_rows(
        word_handle: T.handle, scale_handle: T.handle, row_handle: T.handle, out_handle: T.handle
    ):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        word = T.match_buffer(word_handle, (tiles, groups * _GROUP_WORDS, TILE), "uint32")
        scale = T.match_buffer(scale_handle, (tiles, groups, TILE), "float32")
        row = T.match_buffer(row_handle, (count,), "int32")
        out = T.match_buffer(out_handle, (count, inputs), "float32")
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for i in T.serial(count):
                for k in T.serial(T.int64(inputs)):
                    out[i, k] = (
                        _nibble(word[row[i] // TILE, k // NIBBLES, row[i] % TILE], k % NIBBLES)
                        - T.float32(ZERO_POINT)
                    ) * scale[row[i] // TILE, k // QUANTIZED_GROUP, row[i] % TILE]

    return take_rows
