/** One request (GET), to one address: redirects are the caller's. */
export interface HttpRequest {
  /** Address, `http` or `https`. */
  readonly url: string;
  /** Headers by their lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the request, and the body that is being read. */
  readonly signal: AbortSignal;
}

/** The answer, once its headers are there. */
export interface HttpResponse {
  readonly status: number;
  /** Where it came from, of a network that follows redirects by itself. */
  readonly url?: string;
  /** A header by its lower-case name; the first where there are several. */
  header(name: string): string | undefined;
  /**
   * The body as it comes, not decoded. A part of it may be used until the next one is asked for. Leaving
   * the loop ends the request. Has to be read or ended by `cancel`.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the request without reading the body. */
  cancel(): void;
}

/** What the store asks of a network. Node has one; elsewhere it is made over `fetch`. */
export interface HttpTransport {
  /**
   * Sends a request and waits for the headers of its answer. Rejects with the system's own error
   * when there is none within the time of a stall.
   */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections. */
  close(): Promise<void>;
}

/** Silence for so long, in milliseconds, ends a request: no headers, or no part of the body. */
export const stallMs = 30_000;
