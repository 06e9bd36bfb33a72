import { wrongValue } from '@mobillm/core';

/** Where an RPC server listens. */
export interface RpcEndpoint {
  /** IPv4 address or name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/**
 * Reads `host:port`. The library ends the process for one that it cannot read.
 *
 * @throws InvalidArgument, naming `key`.
 */
export function parseEndpoint(text: string, key: string): RpcEndpoint {
  const found = /^(?<host>[A-Za-z0-9_.-]{1,253}):(?<port>\d{1,5})$/u.exec(text)?.groups;
  const port = Number(found?.['port']);
  if (found?.['host'] === undefined || port < 1 || port > 65_535) {
    throw wrongValue(key, `must be host:port with an IPv4 address or a name, but it is "${text}"`);
  }
  return { host: found['host'], port };
}
