/**
 * Imported for what it does: what an earlier run measured of this device must not change what a benchmark
 * computes with, here or in processes that are started from here.
 */

process.env.MOBILLM_LLAMACPP_CALIBRATE ??= 'off';
