import type { EngineDriver } from '../engine/driver.js';
import type { Engine } from '../engine/engine.js';
import { internalsOf } from '../runtime/engine-internals.js';

/**
 * The driver that an engine is made of, so that `describeEngine` and `compareTeacherForced` can look at
 * an engine that core itself makes, a hybrid for one. What is opened through it is not closed with the
 * engine.
 *
 * @throws InvalidArgument when it is no engine, or one of another copy of this package.
 */
export function driverOf(engine: Engine): EngineDriver {
  return internalsOf(engine, 'engine').driver;
}
