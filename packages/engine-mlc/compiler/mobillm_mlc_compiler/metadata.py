"""What a library tells of itself: the function `_metadata`, which returns JSON."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import tvm
from tvm import relax, tirx
from tvm.relax.frontend import nn

from .kernels.cache import PAGE_TOKENS
from .kernels.linear import TILE
from .spec import CompileSpec

MEASURED: Final = ("embed", "prefill", "decode")


def describe_library(
    spec: CompileSpec, parameters: list[tuple[str, nn.Parameter]], memory: dict[str, int]
) -> dict[str, Any]:
    """The keys of MLC's own libraries, and ours under `mobillm`."""
    model = spec.model
    return {
        "model_type": model.architecture,
        "quantization": spec.quantization,
        "context_window_size": spec.context_tokens,
        "sliding_window_size": -1,
        "attention_sink_size": -1,
        "prefill_chunk_size": spec.chunk_tokens,
        "tensor_parallel_shards": 1,
        "pipeline_parallel_stages": 1,
        "max_batch_size": 1,
        "kv_state_kind": "kv_cache",
        "params": [
            {
                "name": name,
                "shape": [int(extent) for extent in parameter.shape],
                "dtype": str(parameter.dtype),
                "preprocs": [],
            }
            for name, parameter in parameters
        ],
        "memory_usage": memory,
        "mobillm": {
            "formatVersion": 1,
            "weightLayout": f"tiles{TILE}" if spec.schedules == "own" else "rows",
            "vocabularySize": model.vocabulary_size,
            "kvCache": {
                "dtype": "float32",
                "pageTokens": PAGE_TOKENS,
                "layers": model.layers,
                "kvHeads": model.kv_heads,
                "headLength": model.head_length,
            },
            "rope": {
                "pairing": "neox",
                "base": model.rope_base,
                "scale": model.rope_scale,
                "rotatedLength": model.head_length,
            },
            "target": {
                "triple": spec.target.triple,
                "cpu": spec.target.cpu,
                "features": list(spec.target.features),
            },
        },
    }


def attach_metadata(
    spec: CompileSpec, parameters: list[tuple[str, nn.Parameter]]
) -> tvm.ir.transform.Pass:
    """Pass after memory planning that adds `_metadata` with what each function allocates."""

    @tvm.transform.module_pass(opt_level=0, name="AttachMetadata")
    def attach(module: tvm.IRModule, _context: tvm.transform.PassContext) -> tvm.IRModule:
        memory = {
            variable.name_hint: _planned_bytes(function, spec.chunk_tokens)
            for variable, function in module.functions_items()
            if variable.name_hint in MEASURED
        }
        text = json.dumps(describe_library(spec, parameters, memory))
        builder = relax.BlockBuilder(module)
        with builder.function("_metadata", params=[]):
            builder.emit_func_output(tvm.ir.StringImm(text))
        return builder.finalize()

    return attach


def _planned_bytes(function: relax.Function, chunk_tokens: int) -> int:
    """Bytes of all storage that a function allocates for its results, for a chunk of tokens."""
    storage = tvm.ir.Op.get("relax.memory.alloc_storage")  # its shape is a number of bytes
    tensor = tvm.ir.Op.get("relax.builtin.alloc_tensor")  # what is returned, always 32-bit numbers
    total = 0

    def visit(node: Any) -> None:
        nonlocal total
        if isinstance(node, relax.Call) and node.op in (storage, tensor):
            extents = [_extent(extent, chunk_tokens) for extent in node.args[0].values]
            total += math.prod(extents) * (1 if node.op == storage else 4)

    relax.analysis.post_order_visit(function, visit)
    return total


def _extent(extent: tvm.ir.Expr, chunk_tokens: int) -> int:
    """An extent's value, the number of tokens being the only thing that it can depend on."""
    analyzer = tvm.sym.Analyzer()
    for variable in tirx.analysis.undefined_vars(extent):
        analyzer.bind(variable, tirx.IntImm("int64", chunk_tokens))
    return int(analyzer.simplify(extent))
