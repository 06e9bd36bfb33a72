"""From a spec to a shared library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tvm
from tvm import relax, tirx
from tvm.relax.frontend import nn
from tvm.support import cc
from tvm.target import Target

from .kv_cache import add_cache_function
from .metadata import attach_metadata
from .model import Llama
from .operations import OwnOperations
from .spec import CompileSpec
from .stock import StockOperations
from .target import matrix_block, tvm_target

Progress = Callable[[str, float], None]
"""Told what is being done and the share of the whole that was done before, from 0 to 1."""


def compile_library(spec: CompileSpec, output: Path, linker: str, progress: Progress) -> None:
    """Compiles a model and writes the library; `linker` is a C compiler for the target."""
    progress("building the model", 0.0)
    target = tvm_target(spec.target)
    module, parameters = _build_module(spec, target)
    progress("generating code", 0.3)
    executable = relax.build(
        module, target=target, relax_pipeline=_passes(spec, target, parameters)
    )
    progress("linking", 0.95)
    executable.export_library(str(output), fcompile=cc.cross_compiler(linker, options=["-lm"]))
    progress("done", 1.0)


def _build_module(
    spec: CompileSpec, target: Target
) -> tuple[tvm.IRModule, list[tuple[str, nn.Parameter]]]:
    own = spec.schedules == "own"
    operations = (
        OwnOperations(spec.quantization, matrix_block(target))
        if own
        else StockOperations(spec.quantization)
    )
    with target:
        builder, parameters = Llama(operations, spec.model).export()
        add_cache_function(builder, spec.model, target, own)
    return builder.finalize(), parameters


def _passes(
    spec: CompileSpec, target: Target, parameters: list[tuple[str, nn.Parameter]]
) -> tvm.transform.Pass:
    """TVM's default passes for CPUs, with the metadata added once memory is planned."""
    transform = relax.transform
    return tvm.transform.Sequential(
        [
            tirx.transform.BindTarget(target),
            _bound_tokens(spec.chunk_tokens),
            transform.LegalizeOps(),
            *([] if spec.schedules == "own" else _fusion()),
            transform.DeadCodeElimination(),
            transform.RewriteDataflowReshape(),
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            attach_metadata(spec, parameters),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )


def _fusion() -> list[tvm.ir.transform.Pass]:
    """Joins operators; our kernels are joined and scheduled as they are written."""
    transform = relax.transform
    return [
        transform.AnnotateTIROpPattern(),
        transform.FoldConstant(),
        transform.FuseOps(),
        transform.FuseTIR(),
    ]


def _bound_tokens(chunk_tokens: int) -> tvm.ir.transform.Pass:
    """Pass that lets memory be planned once for the longest chunk rather than for each length."""

    @tvm.transform.module_pass(opt_level=0, name="BoundTokens")
    def bound(module: tvm.IRModule, _context: tvm.transform.PassContext) -> tvm.IRModule:
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                module[variable] = function.with_attr(
                    "tir_var_upper_bound", {"seq_len": chunk_tokens}
                )
        return module

    return bound
