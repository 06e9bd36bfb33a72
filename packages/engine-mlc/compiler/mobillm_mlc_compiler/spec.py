"""What is to be compiled: the JSON document that the command line reads, checked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Quantization = Literal["f32", "q4f32"]
Schedules = Literal["own", "default"]

FORMAT_VERSION: Final = 1
QUANTIZED_GROUP: Final = 32
"""Weights of one row that share a scale; every matrix's row length is a multiple of it."""


class SpecError(ValueError):
    """The document asks for something that is wrong or that this compiler cannot do."""


@dataclass(frozen=True)
class ModelParameters:
    """Measures of a Llama model, named as `LlamaParameters` of @mobillm/core names them."""

    architecture: str
    layers: int
    embedding_length: int
    feed_forward_length: int
    heads: int
    kv_heads: int
    head_length: int
    vocabulary_size: int
    rms_epsilon: float
    rope_base: float
    rope_scale: float
    """What positions are multiplied by before they rotate: 1 for none, 0.25 to stretch fourfold."""
    tied_embedding: bool

    @property
    def query_length(self) -> int:
        """Values in all query heads."""
        return self.heads * self.head_length

    @property
    def fused_length(self) -> int:
        """Values in all query, key and value heads, in this order."""
        return (self.heads + 2 * self.kv_heads) * self.head_length


@dataclass(frozen=True)
class TargetMachine:
    """Machine that the library is for, in LLVM's words."""

    triple: str
    cpu: str
    features: tuple[str, ...]
    """Features to switch on or off beside those of `cpu`: `+avx512vnni`, `-sve`."""


@dataclass(frozen=True)
class CompileSpec:
    """Everything that decides what the library holds."""

    model: ModelParameters
    quantization: Quantization
    target: TargetMachine
    context_tokens: int
    chunk_tokens: int
    schedules: Schedules
    """`own`: this package's kernels. `default`: TVM's stock pipeline, to compare with."""


def read_spec(path: Path) -> CompileSpec:
    """Reads and checks a spec; raises SpecError with the key that is wrong."""
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict) or document.get("formatVersion") != FORMAT_VERSION:
        raise SpecError(f"formatVersion has to be {FORMAT_VERSION}")
    model = _read_model(_object(document, "model"))
    context = _integer(document, "contextTokens", 1, 1 << 24)
    return CompileSpec(
        model=model,
        quantization=_choice(document, "quantization", ("f32", "q4f32")),
        target=_read_target(_object(document, "target")),
        context_tokens=context,
        chunk_tokens=_integer(document, "chunkTokens", 1, min(context, 8192)),
        schedules=_choice(document, "schedules", ("own", "default")),
    )


def _read_model(document: dict[str, Any]) -> ModelParameters:
    if document.get("architecture") != "llama":
        raise SpecError("architecture has to be llama")
    model = ModelParameters(
        architecture="llama",
        layers=_integer(document, "layers", 1, 1024),
        embedding_length=_integer(document, "embeddingLength", 32, 1 << 16),
        feed_forward_length=_integer(document, "feedForwardLength", 32, 1 << 20),
        heads=_integer(document, "heads", 1, 1024),
        kv_heads=_integer(document, "kvHeads", 1, 1024),
        head_length=_integer(document, "headLength", 8, 1024),
        vocabulary_size=_integer(document, "vocabularySize", 1, 1 << 24),
        rms_epsilon=_positive(document, "rmsEpsilon"),
        rope_base=_positive(document, "ropeBase"),
        rope_scale=_positive(document, "ropeScale"),
        tied_embedding=_boolean(document, "tiedEmbedding"),
    )
    if model.heads % model.kv_heads != 0:
        raise SpecError("heads has to be a multiple of kvHeads")
    if model.head_length % 8 != 0:
        raise SpecError("headLength has to be a multiple of 8")
    for key, length in (
        ("embeddingLength", model.embedding_length),
        ("feedForwardLength", model.feed_forward_length),
        ("heads times headLength", model.query_length),
    ):
        if length % QUANTIZED_GROUP != 0:
            raise SpecError(f"{key} has to be a multiple of {QUANTIZED_GROUP}")
    return model


def _read_target(document: dict[str, Any]) -> TargetMachine:
    features = document.get("features")
    if not isinstance(features, list) or not all(isinstance(item, str) for item in features):
        raise SpecError("target.features has to be a list of strings")
    return TargetMachine(
        triple=_string(document, "triple"),
        cpu=_string(document, "cpu"),
        features=tuple(features),
    )


def _object(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise SpecError(f"{key} has to be an object")
    return value


def _integer(document: dict[str, Any], key: str, least: int, most: int) -> int:
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SpecError(f"{key} has to be an integer from {least} to {most}")
    return value


def _positive(document: dict[str, Any], key: str) -> float:
    value = document.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise SpecError(f"{key} has to be a number")
    if not math.isfinite(value) or value <= 0:
        raise SpecError(f"{key} has to be a positive number")
    return float(value)


def _boolean(document: dict[str, Any], key: str) -> bool:
    value = document.get(key)
    if not isinstance(value, bool):
        raise SpecError(f"{key} has to be true or false")
    return value


def _string(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise SpecError(f"{key} has to be a string")
    return value


def _choice(document: dict[str, Any], key: str, choices: tuple[str, ...]) -> Any:
    value = document.get(key)
    if value not in choices:
        raise SpecError(f"{key} has to be one of {', '.join(choices)}")
    return value
