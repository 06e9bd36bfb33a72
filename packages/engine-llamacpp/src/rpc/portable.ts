import { MobillmError } from '@mobillm/core';

// Other machines are reached from Node alone, where a server can be asked before the library is.
const unsupported = () =>
  Promise.reject(
    new MobillmError('UNSUPPORTED', 'Computing on other machines is for Node.js alone.'),
  );

/** Rejects. */
export const probeRpcServer: () => Promise<never> = unsupported;

/** Rejects. */
export const startRpcServer: () => Promise<never> = unsupported;
