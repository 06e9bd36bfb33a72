"""Kernels that work on one row of activations at a time."""

from __future__ import annotations

from tvm.script import tirx as T
from tvm.tirx import PrimFunc

from .vectors import LOG2_E, exp2, lanes_of, sum_of_lanes


def rms_norm(width: int, epsilon: float) -> PrimFunc:
    """`out = x / sqrt(mean(x * x) + epsilon) * weight`, each row alone."""
    lanes = lanes_of(width)

    @T.prim_func(s_tir=True, private=True)
    def norm(x_handle: T.handle, weight_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        x = T.match_buffer(x_handle, (1, count, width), "float32")
        weight = T.match_buffer(weight_handle, (width,), "float32")
        out = T.match_buffer(out_handle, (1, count, width), "float32")
        for i in T.serial(count):
            with T.sblock("row"):
                T.reads()
                T.writes()
                squares = T.sblock_alloc_buffer((lanes,), "float32", scope="local")
                factor = T.sblock_alloc_buffer((1,), "float32", scope="local")
                for lane in T.vectorized(lanes):
                    squares[lane] = T.float32(0)
                for step in T.serial(T.int64(width // lanes)):
                    for lane in T.vectorized(lanes):
                        squares[lane] += (
                            x[0, i, step * lanes + lane] * x[0, i, step * lanes + lane]
                        )
                factor[0] = T.float32(1) / T.sqrt(
                    sum_of_lanes(squares[T.ramp(0, 1, lanes)]) / T.float32(width)
                    + T.float32(epsilon)
                )
                for step in T.serial(T.int64(width // lanes)):
                    for lane in T.vectorized(lanes):
                        out[0, i, step * lanes + lane] = (
                            x[0, i, step * lanes + lane] * factor[0] * weight[step * lanes + lane]
                        )

    return norm


def gated_silu(width: int) -> PrimFunc:
    """`out = silu(gate) * up`, where a row of the input is `width` gates and then `width` ups."""
    lanes = lanes_of(width)

    @T.prim_func(s_tir=True, private=True)
    def gate(x_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        x = T.match_buffer(x_handle, (1, count, 2 * width), "float32")
        out = T.match_buffer(out_handle, (1, count, width), "float32")
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for i in T.serial(count):
                for step in T.serial(T.int64(width // lanes)):
                    for lane in T.vectorized(lanes):
                        out[0, i, step * lanes + lane] = (
                            x[0, i, step * lanes + lane]
                            / (T.float32(1) + exp2(x[0, i, step * lanes + lane] * T.float32(-LOG2_E)))
                            * x[0, i, width + step * lanes + lane]
                        )

    return gate


def add(width: int) -> PrimFunc:
    """`out = a + b`: how a block's result joins the residual stream."""
    lanes = lanes_of(width)

    @T.prim_func(s_tir=True, private=True)
    def add_rows(a_handle: T.handle, b_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        a = T.match_buffer(a_handle, (1, count, width), "float32")
        b = T.match_buffer(b_handle, (1, count, width), "float32")
        out = T.match_buffer(out_handle, (1, count, width), "float32")
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for i in T.serial(count):
                for step in T.serial(T.int64(width // lanes)):
                    for lane in T.vectorized(lanes):
                        out[0, i, step * lanes + lane] = (
                            a[0, i, step * lanes + lane] + b[0, i, step * lanes + lane]
                        )

    return add_rows


def last_row(width: int) -> PrimFunc:
    """The last row alone: of a prompt, only the last token's logits are wanted."""

    @T.prim_func(s_tir=True, private=True)
    def last(x_handle: T.handle, out_handle: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        count = T.int64()
        x = T.match_buffer(x_handle, (1, count, width), "float32")
        out = T.match_buffer(out_handle, (1, 1, width), "float32")
        with T.sblock("rows"):
            T.reads()
            T.writes()
            for k in T.serial(T.int64(width)):
                out[0, 0, k] = x[0, count - 1, k]

    return last
