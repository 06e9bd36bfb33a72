import { integer } from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import type { Token } from '../tokenizer/tokenizer.js';

const checkToken = integer({ min: 0, max: 0x7fffffff });

/**
 * Tokens as an addon takes them. A typed array would turn what is no integer into 0 without a
 * word; whether each is in the vocabulary is checked natively. `key` is what an error calls them.
 *
 * @throws InvalidArgument for what is no 32-bit integer from 0 on.
 */
export function toInt32Array(tokens: Iterable<Token>, key: string): Int32Array {
  const numbers = Array.from(tokens);
  numbers.forEach((token, index) => {
    if (!Number.isInteger(token)) {
      throw wrongType(`${key}[${index}]`, 'a token (an integer)', token);
    }
    checkToken(token, `${key}[${index}]`);
  });
  return Int32Array.from(numbers);
}
