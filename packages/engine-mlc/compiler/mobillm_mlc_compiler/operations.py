"""The model's operations by the kernels of this package."""

from __future__ import annotations

from functools import cache
from typing import Any

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op
from tvm.tirx import IntImm, PrimFunc

from .kernels import linear, pointwise
from .spec import QUANTIZED_GROUP, Quantization
from .target import MatrixBlock

# A kernel is parsed once for all layers that have the same measures.
_vector_f32 = cache(linear.vector_product_f32)
_vector_q4 = cache(linear.vector_product_q4)
_matrix_f32 = cache(linear.matrix_product_f32)
_matrix_q4 = cache(linear.matrix_product_q4)
_norm = cache(pointwise.rms_norm)
_gate = cache(pointwise.gated_silu)
_add = cache(pointwise.add)


class TiledMatrix(nn.Module):
    """A weight matrix in tiles, as `kernels.linear` describes them."""

    def __init__(
        self, features: int, inputs: int, quantization: Quantization, block: MatrixBlock
    ) -> None:
        tiles = linear.tiles_of(features)
        if quantization == "f32":
            self.weight = nn.Parameter((tiles, inputs, linear.TILE), "float32")
        else:
            words, groups = inputs // linear.NIBBLES, inputs // QUANTIZED_GROUP
            self.q_weight = nn.Parameter((tiles, words, linear.TILE), "uint32")
            self.q_scale = nn.Parameter((tiles, groups, linear.TILE), "float32")
        self._measures, self._quantization, self._block = (features, inputs), quantization, block

    def product(self, x: Tensor) -> Tensor:
        """`[1, rows, inputs]` to `[1, rows, features]`."""
        kernel, name = self._product_kernel(_is_one(x.shape[1]))
        out = Tensor.placeholder((1, x.shape[1], self._measures[0]), "float32")
        return op.tensor_ir_op(kernel, name, [x, *self._stored()], out)

    def take(self, rows: Tensor) -> Tensor:
        """Rows of the matrix by number: `[count]` to `[count, inputs]`."""
        of_type = linear.take_rows_f32 if self._quantization == "f32" else linear.take_rows_q4
        out = Tensor.placeholder((rows.shape[0], self._measures[1]), "float32")
        return op.tensor_ir_op(of_type(*self._measures), "take_rows", [*self._stored(), rows], out)

    def _product_kernel(self, single: bool) -> tuple[PrimFunc, str]:
        floats = self._quantization == "f32"
        if single:
            return (_vector_f32 if floats else _vector_q4)(*self._measures), "vector_product"
        return (_matrix_f32 if floats else _matrix_q4)(
            *self._measures, self._block
        ), "matrix_product"

    def _stored(self) -> list[nn.Parameter]:
        return [self.weight] if self._quantization == "f32" else [self.q_weight, self.q_scale]


class OwnOperations:
    """Operations by this package's kernels."""

    def __init__(self, quantization: Quantization, block: MatrixBlock) -> None:
        self._quantization: Quantization = quantization
        self._block = block

    def matrix(self, features: int, inputs: int) -> TiledMatrix:
        """A new weight matrix."""
        return TiledMatrix(features, inputs, self._quantization, self._block)

    def norm(self, x: Tensor, weight: nn.Parameter, epsilon: float) -> Tensor:
        """Root-mean-square normalization of each row."""
        return op.tensor_ir_op(_norm(_width(x), epsilon), "rms_norm", [x, weight], _like(x))

    def gated_silu(self, x: Tensor) -> Tensor:
        """`silu` of the first half of each row times its second half."""
        width = _width(x) // 2
        out = Tensor.placeholder((1, x.shape[1], width), "float32")
        return op.tensor_ir_op(_gate(width), "gated_silu", [x], out)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two."""
        return op.tensor_ir_op(_add(_width(a)), "add", [a, b], _like(a))

    def last_row(self, x: Tensor) -> Tensor:
        """The last row alone: `[1, 1, width]`."""
        out = Tensor.placeholder((1, 1, _width(x)), "float32")
        return op.tensor_ir_op(pointwise.last_row(_width(x)), "last_row", [x], out)


def _width(x: Tensor) -> int:
    return int(x.shape[2])


def _like(x: Tensor) -> Tensor:
    return Tensor.placeholder(x.shape, "float32")


def _is_one(extent: Any) -> bool:
    return isinstance(extent, (int, IntImm)) and int(extent) == 1
