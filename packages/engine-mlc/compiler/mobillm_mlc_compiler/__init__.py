"""Compiles a Llama model into a TVM library that the engine of @mobillm/engine-mlc opens."""
