"""Kernels of a Llama model for CPUs, written in TVM's tensor IR and scheduled by hand.

Every kernel is parallel over independent tiles of its output and adds up in a fixed order, so a
result depends neither on the number of threads nor on the other rows of a batch.
"""
