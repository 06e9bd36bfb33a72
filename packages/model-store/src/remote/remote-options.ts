import { check, wrongValue } from '@mobillm/core';
import type { FitOptions, FittingChoice } from '../fit/choose-fitting.js';
import { parseReference } from '../reference/parse-reference.js';
import type { RemoteReference } from './resolve-remote.js';

/** A reference to another machine. */
export const remoteReference: check.Check<RemoteReference> = (value, key) => {
  const reference = parseReference(value, key);
  if (reference.source === 'file') throw wrongValue(key, 'is a file of this device and no mirror');
  return reference;
};

/** Plain data that core's planner checks. */
const plannerData =
  <T>(): check.Check<T> =>
  (value, key) =>
    check.record(value, key) as T;

const fit = check.optionsObject({
  hardware: plannerData<NonNullable<FitOptions['hardware']>>(),
  engine: plannerData<NonNullable<FitOptions['engine']>>(),
  contextTokens: check.integer({ min: 1 }),
});

/** Options of `pull` that are about other machines. */
export const pullShape = {
  mirrors: check.arrayOf(remoteReference),
  fit,
  onChosen: check.callback<(choice: FittingChoice) => void>(),
};

/** Options of `describe`. */
export const checkDescribeOptions = check.optionsObject({ signal: check.abortSignal, fit });
