import { MobillmError } from '@mobillm/core';

/** What systems and libraries call what went wrong, and what to do. */
const advice: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The host is unknown; check the address and the connection to the internet',
  EAI_AGAIN: 'The host could not be looked up; check the connection to the internet',
  ECONNREFUSED: 'The host refuses the connection; check the address, or whether the server runs',
  ECONNRESET: 'The connection was broken off',
  EPIPE: 'The connection was broken off',
  EHOSTUNREACH: 'There is no way to the host; check the connection to the internet',
  ENETUNREACH: 'There is no network; check the connection to the internet',
  ETIMEDOUT: 'The host does not answer, or nothing came for half a minute',
  HPE_HEADER_OVERFLOW: 'The answer has more headers than are taken',
  PROXY_DENIED:
    'The proxy refuses to connect to it; check HTTPS_PROXY or HTTP_PROXY, and the name and password in it',
  PROXY_FAILED: 'The proxy cannot connect to it',
  PROXY_INVALID:
    'The environment names a proxy that is none of HTTP; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY',
  HPE_INVALID_CONSTANT: 'What answers does not speak HTTP',
  CERT_HAS_EXPIRED: "The host's certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "The host's certificate is its own; name its authority by NODE_EXTRA_CA_CERTS if you trust it",
  SELF_SIGNED_CERT_IN_CHAIN:
    "The authority of the host's certificate is unknown; name it by NODE_EXTRA_CA_CERTS if you trust it",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "The authority of the host's certificate is unknown; name it by NODE_EXTRA_CA_CERTS if you trust it",
  ERR_TLS_CERT_ALTNAME_INVALID: "The host's certificate is that of another host",
  ERR_SSL_WRONG_VERSION_NUMBER: 'The host does not speak TLS there; check the address',
  EPROTO: 'The host does not speak TLS there; check the address',
};

/** Failures that the next try meets as well. */
const lasting =
  /^(ERR_SSL_|CERT_|DEPTH_|SELF_|UNABLE_|ERR_TLS_|EPROTO$|HPE_|PROXY_(DENIED|INVALID)$)/;

/** Gives an error of a request a code and a sentence; leaves errors that have one as they are. */
export function networkFailure(error: unknown, url: string): unknown {
  if (MobillmError.is(error)) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  const known = Object.hasOwn(advice, code) ? advice[code] : undefined;
  return new MobillmError(
    'NETWORK_FAILED',
    `Nothing could be read from ${hostOf(url)}. ${known ?? `The system says ${code}`}.`,
    { details: { host: hostOf(url), reason: code }, retryable: !lasting.test(code), cause: error },
  );
}

/** An answer of a server that says no: what it means is for whoever asked to add. */
export function refusedBy(url: string, status: number, what: string): MobillmError {
  return new MobillmError(
    'NETWORK_FAILED',
    `${hostOf(url)} answered ${status} when asked for ${what}.`,
    { details: { host: hostOf(url), status }, retryable: status === 429 || status >= 500 },
  );
}

/** The host of an address; of what is none, the text. Addresses may hold signatures, hosts do not. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

/** The name of an error of the system or of a library, looked for in what caused it as well. */
function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = (at as { readonly code?: unknown }).code;
    if (typeof code === 'string' && code !== '' && at.name !== 'AbortError') return code;
  }
  // What `fetch` says where it says nothing.
  return error instanceof TypeError && /fetch|network/i.test(error.message)
    ? 'NETWORK_ERROR'
    : undefined;
}
