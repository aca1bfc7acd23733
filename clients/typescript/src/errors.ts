/** What can go wrong, by the stable `code` that the server gives it. */

/** How a socket ended, as this side saw it. */
export interface Close {
  code: number;
  reason: string;
}

/** The end of a connection. connectionId: finds it in the server's log; null if it ended before it had one. */
export interface Interruption extends Close {
  connectionId: string | null;
}

export interface ErrorFacts {
  status?: number;
  retryAfterMs?: number | undefined;
  errors?: Record<string, string> | undefined;
  current?: unknown;
  requestId?: string | undefined;
  close?: Close;
  cause?: unknown;
}

/**
 * Everything that this package throws on purpose.
 *
 * Codes are those of the protocol, and a few that are made here: `unreachable` (no answer came), `not_parley` (something else
 * answered, as a proxy does), `disconnected` (the connection went before the answer came), `stopped` (for good: the server
 * said so, or the client was closed), `incomplete` (what the server streamed did not reach its end).
 */
export class ParleyError extends Error {
  override readonly name = "ParleyError";
  /** Stable, for programs. */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** Of HTTP; 0 for an `error` frame, and for what was not said by the server. */
  readonly status: number;
  /** Waiting that long makes it succeed. */
  readonly retryAfterMs: number | undefined;
  /** Field by field. */
  readonly errors: Record<string, string>;
  /** In a `rev_conflict`: the present state. */
  readonly current: unknown;
  /** Finds the line in the server's log. */
  readonly requestId: string | undefined;
  /** Of `stopped`: how the last socket ended. */
  readonly close: Close | undefined;

  constructor(code: string, detail: string, facts: ErrorFacts = {}) {
    super(`${detail} [${code}]`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.detail = detail;
    this.status = facts.status ?? 0;
    this.retryAfterMs = facts.retryAfterMs;
    this.errors = facts.errors ?? {};
    this.current = facts.current;
    this.requestId = facts.requestId;
    this.close = facts.close;
  }
}

export const signInFirst = (): ParleyError => new ParleyError("unauthenticated", "Sign in first.", { status: 401 });

export const disconnected = (what: string): ParleyError => new ParleyError("disconnected", what);

/** What was thrown, if it is one of ours; otherwise a bug of this client or of what it was given, which ends it. */
export function bug(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error;
  return new ParleyError("stopped", `A bug in the client: ${error}`, { cause: error });
}

const PASSING: readonly string[] = ["unreachable", "not_parley"];

/** Whether trying again later may help: nobody answered, somebody was too busy, or something on the way answered instead. */
export const passes = (error: unknown): boolean =>
  error instanceof ParleyError && (PASSING.includes(error.code) || error.status === 429 || error.status >= 500);

/** Codes of a 401 that a new access token may turn into a success; a wrong password is not among them. */
export const NEEDS_TOKEN: readonly string[] = ["token_expired", "bad_token", "unauthenticated"];
