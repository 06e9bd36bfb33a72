"""The machine that a library is for, as TVM's target, and what follows from it for the kernels."""

from __future__ import annotations

from dataclasses import dataclass

from tvm.target import Target
from tvm.target.codegen import target_has_features

from .spec import TargetMachine


@dataclass(frozen=True)
class MatrixBlock:
    """Part of a matrix product whose sums fit the registers."""

    rows: int
    lanes: int


def tvm_target(machine: TargetMachine) -> Target:
    """The target; sums may be reordered and products fused, NaN and infinity keep their meaning."""
    return Target(
        {
            "kind": "llvm",
            "mtriple": machine.triple,
            "mcpu": machine.cpu,
            "mattr": list(machine.features),
            "opt-level": 3,
            "fast-math-reassoc": True,
            "fast-math-contract": True,
            "fast-math-nsz": True,
        }
    )


def matrix_block(target: Target) -> MatrixBlock:
    """Sums that leave room in the registers for what is multiplied.

    AVX-512 has 32 registers of 16 floats, AVX2 16 of 8, NEON 32 of 4, SSE 16 of 4.
    """
    if has_feature(target, "avx512f"):
        return MatrixBlock(rows=6, lanes=32)
    if has_feature(target, "avx2") or has_feature(target, "neon"):
        return MatrixBlock(rows=6, lanes=16)
    return MatrixBlock(rows=6, lanes=8)


def has_feature(target: Target, feature: str) -> bool:
    """Whether LLVM may use an instruction set on this target."""
    return bool(target_has_features(feature, target))
