"""Small expressions that several kernels share."""

from __future__ import annotations

from typing import Final

from tvm.ir import Expr
from tvm.script import tirx as T

LOG2_E: Final = 1.4426950408889634

# Coefficients of 2**f on [-0.5, 0.5], lowest power first: least squares of the relative error at
# Chebyshev nodes. The largest relative error there is 8e-8.
_EXP2: Final = (
    1.0000000710296983,
    0.6931469491610636,
    0.2402212175356167,
    0.05550742616002471,
    0.00967545974551784,
    0.0013266970386344237,
)


def lanes_of(length: int) -> int:
    """Floats that a kernel handles at a time in rows of `length`; LLVM splits what is too wide."""
    return next(lanes for lanes in (16, 8, 4, 2, 1) if length % lanes == 0)


def sum_of_lanes(vector: Expr) -> Expr:
    """Sum of a vector's floats."""
    return T.call_llvm_pure_intrin(
        "float32", "llvm.vector.reduce.fadd", T.float32(0), vector
    )


def largest_lane(vector: Expr) -> Expr:
    """The largest of a vector's floats."""
    return T.call_llvm_pure_intrin("float32", "llvm.vector.reduce.fmax", vector)


def exp2(x: Expr) -> Expr:
    """2**x within 3e-7 relative for x up to 126; 1e-38 where it would be less than that.

    The C library's function handles one number at a time; this one becomes vector instructions.
    """
    clamped = T.min(T.max(x, T.float32(-126)), T.float32(126))
    whole = T.floor(clamped + T.float32(0.5))
    part = clamped - whole
    power = T.float32(_EXP2[-1])
    for coefficient in reversed(_EXP2[:-1]):
        power = power * part + T.float32(coefficient)
    exponent = T.shift_left(T.Cast("int32", whole) + T.int32(127), T.int32(23))
    return power * T.reinterpret("float32", exponent)
