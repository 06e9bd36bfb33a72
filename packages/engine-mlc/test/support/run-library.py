"""Runs a compiled folder in TVM's own Python host and prints logits, to compare with.

Reads {"folder", "contextTokens", "chunks": [[ids…], …]} from standard input. Feeds each chunk to the same
sequence, by `decode` where it is a single token, and prints the logits after each as a JSON list.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

request = json.load(sys.stdin)
folder = Path(request["folder"])
call = tvm.get_global_func


def shape(*numbers: int) -> tvm_ffi.Shape:
    return tvm_ffi.Shape(list(numbers))


vm = relax.VirtualMachine(tvm.runtime.load_module(str(folder / "model.so")), tvm.cpu())
metadata = json.loads(str(vm["_metadata"]()))
call("vm.builtin.tensor_cache.load")(str(folder), tvm.cpu().dlpack_device_type(), 0)
names = [parameter["name"] for parameter in metadata["params"]]
parameters = call("vm.builtin.param_array_from_cache_by_name")(names)
cache = vm["create_tir_paged_kv_cache"](
    shape(1),
    shape(request["contextTokens"]),
    shape(metadata["prefill_chunk_size"]),
    shape(metadata["mobillm"]["kvCache"]["pageTokens"]),
    shape(0),
)
call("vm.builtin.kv_state_add_sequence")(cache, 0)
results = []
for chunk in request["chunks"]:
    embedded = vm["embed"](tvm.runtime.tensor(np.array(chunk, "int32")), parameters)
    count, width = embedded.shape
    embedded = call("vm.builtin.reshape")(embedded, shape(1, count, width))
    call("vm.builtin.kv_state_begin_forward")(cache, shape(0), shape(count))
    logits = vm["prefill" if count > 1 else "decode"](embedded, cache, parameters)[0]
    call("vm.builtin.kv_state_end_forward")(cache)
    results.append(logits.numpy()[0, 0].tolist())
json.dump({"metadata": metadata, "logits": results}, sys.stdout)
