import { check } from '@mobillm/core';

/** The options that every call has which can take longer than a second. */
export const jobShape = { signal: check.abortSignal, onProgress: check.callback<() => void>() };
