"""A Llama model in TVM's Relax: what is computed, whichever kernels compute it."""

from __future__ import annotations

from typing import Protocol

from tvm import relax
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache

from .spec import ModelParameters


class Matrix(Protocol):
    """A weight matrix with its own way of storage; a module, since it holds parameters."""

    def product(self, x: Tensor) -> Tensor:
        """`[1, rows, inputs]` to `[1, rows, features]`."""
        ...

    def take(self, rows: Tensor) -> Tensor:
        """Rows of the matrix by number: `[count]` to `[count, inputs]`."""
        ...


class Operations(Protocol):
    """Everything that a Llama model computes beside attention, on `[1, rows, width]`."""

    def matrix(self, features: int, inputs: int) -> Matrix:
        """A new weight matrix."""
        ...

    def norm(self, x: Tensor, weight: nn.Parameter, epsilon: float) -> Tensor:
        """Root-mean-square normalization of each row."""
        ...

    def gated_silu(self, x: Tensor) -> Tensor:
        """`silu` of the first half of each row times its second half."""
        ...

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two."""
        ...

    def last_row(self, x: Tensor) -> Tensor:
        """The last row alone: `[1, 1, width]`."""
        ...


class _Norm(nn.Module):
    def __init__(self, ops: Operations, width: int, epsilon: float) -> None:
        self.weight = nn.Parameter((width,), "float32")
        self._ops, self._epsilon = ops, epsilon

    def forward(self, x: Tensor) -> Tensor:
        return self._ops.norm(x, self.weight, self._epsilon)


class _Attention(nn.Module):
    def __init__(self, ops: Operations, model: ModelParameters) -> None:
        self.qkv_proj = ops.matrix(model.fused_length, model.embedding_length)
        self.o_proj = ops.matrix(model.embedding_length, model.query_length)
        self._model = model

    def forward(self, x: Tensor, cache: PagedKVCache, layer: int) -> Tensor:
        model, rows = self._model, x.shape[1]
        fused = op.reshape(
            self.qkv_proj.product(x),
            (1, rows, model.heads + 2 * model.kv_heads, model.head_length),
        )
        seen = cache.attention_with_fused_qkv(layer, fused, model.heads, model.head_length**-0.5)
        return self.o_proj.product(op.reshape(seen, (1, rows, model.query_length)))


class _FeedForward(nn.Module):
    def __init__(self, ops: Operations, model: ModelParameters) -> None:
        self.gate_up_proj = ops.matrix(2 * model.feed_forward_length, model.embedding_length)
        self.down_proj = ops.matrix(model.embedding_length, model.feed_forward_length)
        self._ops = ops

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj.product(self._ops.gated_silu(self.gate_up_proj.product(x)))


class _Layer(nn.Module):
    def __init__(self, ops: Operations, model: ModelParameters) -> None:
        self.input_layernorm = _Norm(ops, model.embedding_length, model.rms_epsilon)
        self.self_attn = _Attention(ops, model)
        self.post_attention_layernorm = _Norm(ops, model.embedding_length, model.rms_epsilon)
        self.mlp = _FeedForward(ops, model)
        self._ops = ops

    def forward(self, x: Tensor, cache: PagedKVCache, layer: int) -> Tensor:
        x = self._ops.add(x, self.self_attn(self.input_layernorm(x), cache, layer))
        return self._ops.add(x, self.mlp(self.post_attention_layernorm(x)))


class _Body(nn.Module):
    def __init__(self, ops: Operations, model: ModelParameters) -> None:
        self.embed_tokens = ops.matrix(model.vocabulary_size, model.embedding_length)
        self.layers = nn.ModuleList([_Layer(ops, model) for _ in range(model.layers)])
        self.norm = _Norm(ops, model.embedding_length, model.rms_epsilon)

    def forward(self, x: Tensor, cache: PagedKVCache) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x, cache, number)
        return x


class Llama(nn.Module):
    """The model; its parameters have the names that MLC gives them."""

    def __init__(self, ops: Operations, model: ModelParameters) -> None:
        self.model = _Body(ops, model)
        if not model.tied_embedding:
            self.lm_head = ops.matrix(model.vocabulary_size, model.embedding_length)
        self._ops, self._tied, self._width = ops, model.tied_embedding, model.embedding_length

    def embed(self, input_ids: Tensor) -> Tensor:
        """Token ids `[n]` to embeddings `[n, embedding_length]`; ids have to be in the vocabulary."""
        return self.model.embed_tokens.take(input_ids)

    def prefill(self, input_embed: Tensor, paged_kv_cache: PagedKVCache) -> tuple[Tensor, PagedKVCache]:
        """Embeddings `[1, n, width]` to the logits after the last one, `[1, 1, vocabulary]`."""
        return self._logits(self._ops.last_row(self.model(input_embed, paged_kv_cache))), paged_kv_cache

    def decode(self, input_embed: Tensor, paged_kv_cache: PagedKVCache) -> tuple[Tensor, PagedKVCache]:
        """The same for one token: `[1, 1, width]`."""
        return self._logits(self.model(input_embed, paged_kv_cache)), paged_kv_cache

    def _logits(self, x: Tensor) -> Tensor:
        head = self.model.embed_tokens if self._tied else self.lm_head
        return head.product(self.model.norm(x))

    def export(self) -> tuple[relax.BlockBuilder, list[tuple[str, nn.Parameter]]]:
        """The functions as a builder to add more to, and the parameters in the order of `params`."""
        calling = {"param_mode": "packed", "effect_mode": "none"}
        cache = nn.spec.Object(object_type=PagedKVCache)
        module, parameters, _ = self.export_tvm(
            {
                "embed": {"input_ids": nn.spec.Tensor(["seq_len"], "int32"), "$": calling},
                "prefill": {
                    "input_embed": nn.spec.Tensor([1, "seq_len", self._width], "float32"),
                    "paged_kv_cache": cache,
                    "$": calling,
                },
                "decode": {
                    "input_embed": nn.spec.Tensor([1, 1, self._width], "float32"),
                    "paged_kv_cache": cache,
                    "$": calling,
                },
            },
            allow_extern=True,
        )
        return relax.BlockBuilder(module), parameters
