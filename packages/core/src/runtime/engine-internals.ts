import type { EngineDriver } from '../engine/driver.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import type { Lifetime } from './lifetime.js';

/** What core itself may use of an engine that an application made. */
export interface EngineInternals {
  /** What the engine is made of. */
  readonly driver: EngineDriver;
  /** Closes what is opened through the driver before the driver itself. */
  readonly lifetime: Lifetime;
}

const internals = new WeakMap<object, EngineInternals>();

/** Keeps the insides of an engine, for this copy of the package alone. */
export function rememberEngine(engine: object, inside: EngineInternals): void {
  internals.set(engine, inside);
}

/**
 * The insides of an engine.
 *
 * @param key name of the option that holds the engine, for the error.
 * @throws InvalidArgument when it is no engine, or one of another copy of this package.
 */
export function internalsOf(engine: unknown, key: string): EngineInternals {
  if (typeof engine !== 'object' || engine === null || !('capabilities' in engine)) {
    throw wrongType(key, 'an engine', engine);
  }
  const inside = internals.get(engine);
  if (inside) return inside;
  throw wrongValue(
    key,
    'is an engine of another copy of @mobillm/core, which keeps its driver to itself; install one version for all engines ("npm ls @mobillm/core" shows the copies)',
  );
}
