"""The model's operations as TVM's own operators: what its default pipeline makes of them.

To compare with. Matrices are stored by rows, `[features, inputs]`, in 4 bits `[features, inputs / 8]`
words and `[features, inputs / QUANTIZED_GROUP]` scales.
"""

from __future__ import annotations

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op

from .kernels.linear import NIBBLES, ZERO_POINT
from .spec import QUANTIZED_GROUP, Quantization


class RowMatrix(nn.Module):
    """A weight matrix by rows."""

    def __init__(self, features: int, inputs: int, quantization: Quantization) -> None:
        if quantization == "f32":
            self.weight = nn.Parameter((features, inputs), "float32")
        else:
            self.q_weight = nn.Parameter((features, inputs // NIBBLES), "uint32")
            self.q_scale = nn.Parameter((features, inputs // QUANTIZED_GROUP), "float32")
        self._measures, self._quantization = (features, inputs), quantization

    def product(self, x: Tensor) -> Tensor:
        """`[1, rows, inputs]` to `[1, rows, features]`."""
        return op.matmul(x, op.permute_dims(self._floats()))

    def take(self, rows: Tensor) -> Tensor:
        """Rows of the matrix by number: `[count]` to `[count, inputs]`."""
        return op.take(self._floats(), rows, axis=0)

    def _floats(self) -> Tensor:
        if self._quantization == "f32":
            return self.weight

        def dequantize(words: te.Tensor, scales: te.Tensor) -> te.Tensor:
            def weight(row: tirx.Var, k: tirx.Var) -> tirx.Expr:
                shift = tirx.Cast("uint32", k % NIBBLES * 4)
                nibble = tirx.bitwise_and(
                    tirx.shift_right(words[row, k // NIBBLES], shift), tirx.const(15, "uint32")
                )
                centred = tirx.Cast("float32", nibble) - tirx.const(float(ZERO_POINT), "float32")
                return centred * scales[row, k // QUANTIZED_GROUP]

            return te.compute(self._measures, weight, name="dequantize")

        return op.tensor_expr_op(dequantize, "dequantize", [self.q_weight, self.q_scale])


class StockOperations:
    """Operations by TVM's own operators."""

    def __init__(self, quantization: Quantization) -> None:
        self._quantization: Quantization = quantization

    def matrix(self, features: int, inputs: int) -> RowMatrix:
        """A new weight matrix."""
        return RowMatrix(features, inputs, self._quantization)

    def norm(self, x: Tensor, weight: nn.Parameter, epsilon: float) -> Tensor:
        """Root-mean-square normalization of each row."""
        return op.rms_norm(x, weight, axes=-1, epsilon=epsilon)

    def gated_silu(self, x: Tensor) -> Tensor:
        """`silu` of the first half of each row times its second half."""
        gate, up = op.split(x, 2, axis=-1)
        return op.silu(gate) * up

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two."""
        return a + b

    def last_row(self, x: Tensor) -> Tensor:
        """The last row alone: `[1, 1, width]`."""

        def last(rows: te.Tensor) -> te.Tensor:
            count = rows.shape[1]
            return te.compute((1, 1, rows.shape[2]), lambda i, _, k: rows[i, count - 1, k])

        return op.tensor_expr_op(last, "last_row", [x])
