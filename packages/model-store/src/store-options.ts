import { check, wrongType, wrongValue, type ModelSource } from '@mobillm/core';
import type { PullControl } from './download/pull-control.js';
import { isSha256 } from './is-sha256.js';
import { jobShape } from './job-options.js';
import { checkModelName } from './model-name.js';
import { pullShape } from './remote/remote-options.js';

const sha256Text: check.Check<string> = (value, key) => {
  const text = check.string()(value, key);
  if (!isSha256(text)) {
    throw wrongValue(key, 'must be a sha256: 64 digits and letters from a to f, lower case');
  }
  return text;
};

const sourceObject = check.optionsObject({ name: checkModelName, sha256: sha256Text });
const checkSource: check.Check<string | ModelSource> = (value, key) => {
  if (typeof value === 'string') return checkModelName(value, key);
  const { name, sha256 } = sourceObject(value, key);
  if (name === undefined) throw wrongType(`${key}.name`, 'a string', name);
  return { name, ...(sha256 !== undefined && { sha256 }) };
};

/** Options of `verify` and `verifyAll`. */
export const checkVerifyOptions = check.optionsObject({ ...jobShape, repair: check.boolean });
const days = check.number({ min: 0 });

/** Options of `prune`. */
export const checkPruneOptions = check.optionsObject({
  ...jobShape,
  maxBytes: check.integer({ min: 0 }),
  olderThanDays: days,
  downloadsOlderThanDays: days,
  dedupe: check.boolean,
  dryRun: check.boolean,
});

/** Options of `add`. */
export const checkAddOptions = check.optionsObject({
  ...jobShape,
  name: checkModelName,
  placement: check.oneOf('link', 'move'),
  sha256: sha256Text,
  hash: check.oneOf('now', 'later'),
  derivedFrom: checkSource,
});

const checkControl: check.Check<PullControl> = (value, key) => {
  const { onChange } = (value ?? {}) as Partial<PullControl>;
  if (typeof onChange !== 'function') throw wrongType(key, 'a PullControl', value);
  return value as PullControl;
};

/** Connections of a pull at the same time, unless it says another number. */
export const defaultConnections = 4;

/** Options of `pull`. */
export const checkPullOptions = check.optionsObject({
  control: checkControl,
  ...jobShape,
  name: checkModelName,
  ...pullShape,
  connections: check.integer({ min: 1, max: 8 }),
  placement: check.oneOf('link', 'move'),
});
