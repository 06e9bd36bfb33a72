/**
 * The value of `authorization` for a token; `undefined` for what is no token. A token is one word: anything
 * else would become headers of its own.
 */
export function bearer(token: string | undefined): string | undefined {
  return token !== undefined && /^[\x21-\x7e]+$/.test(token) ? `Bearer ${token}` : undefined;
}
