/** One request: its URL, its time limit, and refusals as ParleyError. Knows nothing of tokens. */

import { ParleyError } from "./errors.ts";

const WITHIN_MS = 30_000;

export interface RequestFacts {
  /** What is undefined is left out. */
  query?: Record<string, string | number | boolean | null | undefined> | undefined;
  /** FormData and URLSearchParams go as they are, everything else as JSON. */
  body?: unknown;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
  /** How long the answer may take; 0: as long as it likes. */
  withinMs?: number;
  /** Outside of /api/v1. */
  root?: boolean;
}

export class Http {
  /** Without a slash at the end. Relative to the page if it was given empty. */
  readonly url: string;
  readonly #fetch: typeof fetch;
  /** Whether the refresh token is one, and so is what opens images. */
  readonly cookies: boolean;

  constructor(url: string, cookies: boolean, fetcher: typeof fetch = (...given) => globalThis.fetch(...given)) {
    this.url = url.replace(/\/+$/, "");
    this.#fetch = fetcher;
    this.cookies = cookies;
  }

  address(path: string): string {
    return `${this.url}/api/v1${path}`;
  }

  get socketAddress(): string {
    const page = globalThis.location?.href;
    return new URL(this.address("/ws"), page).href.replace(/^http/, "ws");
  }

  /** The JSON of the answer; undefined if it has none. Throws ParleyError, and what `signal` was aborted with. */
  json(method: string, path: string, facts: RequestFacts = {}): Promise<unknown> {
    return this.#within(facts, async signal => content(await this.#answer(method, path, facts, signal)));
  }

  /** The answer itself, whose body is still to come. Throws as `json` does. */
  response(method: string, path: string, facts: RequestFacts = {}): Promise<Response> {
    return this.#within(facts, signal => this.#answer(method, path, facts, signal));
  }

  async #answer(method: string, path: string, facts: RequestFacts, signal: AbortSignal): Promise<Response> {
    const { body, headers } = facts;
    const plain = body === undefined || body instanceof FormData || body instanceof URLSearchParams;
    const address = facts.root ? `${this.url}${path}` : this.address(path);
    const response = await this.#fetch(address + queryString(facts.query), {
      method: method.toUpperCase(),
      headers: plain ? { ...headers } : { "Content-Type": "application/json", ...headers },
      body: plain ? (body ?? null) : JSON.stringify(body),
      credentials: this.cookies ? "include" : "omit",
      signal,
    });
    if (!response.ok) throw problem(response.status, await response.text());
    return response;
  }

  async #within<T>({ signal, withinMs = WITHIN_MS }: RequestFacts, work: (signal: AbortSignal) => Promise<T>) {
    const late = new AbortController();
    const timer = withinMs ? setTimeout(() => late.abort(), withinMs) : undefined;
    try {
      return await work(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof ParleyError) throw cause;
      const what = late.signal.aborted ? "The server did not answer in time." : "The server cannot be reached.";
      throw new ParleyError("unreachable", what, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

function queryString(query: RequestFacts["query"]): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Throws ParleyError `not_parley`. */
export async function content(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  return parsed(response.status, await response.text());
}

export function parsed(status: number, text: string): unknown {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null) return found;
  } catch {
    // A page of HTML, most likely.
  }
  throw notParley(status);
}

export const notParley = (status: number): ParleyError =>
  new ParleyError("not_parley", `The server answered ${status}, and not as Parley does.`, { status });

/** The error that a problem document (RFC 9457) describes. */
export function problem(status: number, text: string): ParleyError {
  try {
    const found = JSON.parse(text);
    if (typeof found.code === "string") {
      return new ParleyError(found.code, String(found.detail ?? found.code), {
        status,
        retryAfterMs: found.retry_after_ms,
        errors: found.errors,
        current: found.current,
        requestId: found.request_id,
      });
    }
  } catch {
    // Not JSON, or null: no problem document either way.
  }
  return notParley(status);
}
