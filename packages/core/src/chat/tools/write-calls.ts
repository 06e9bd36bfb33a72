import type { CallForm } from './call-format.js';

/** The texts around name and arguments of a call in JSON. */
export function jsonCall(argumentsKey: 'arguments' | 'parameters'): CallForm['call'] {
  return ['{"name": "', `", "${argumentsKey}": `, '}'];
}

/** Writes calls as a model would; `json` holds the arguments. */
export function writeCalls(
  { open, list: [before, after] = ['', ''], call, separator, close }: CallForm,
  calls: readonly { readonly name: string; readonly json: string }[],
): string {
  const written = calls.map(({ name, json }) => call[0] + name + call[1] + json + call[2]);
  return open + before + written.join(separator) + after + close;
}
