/** A server in memory, for what needs no socket. */

import { Client, type ClientOptions, MemoryTokens, type Tokens } from "../../src/index.ts";

export interface Asked {
  method: string;
  path: string;
  headers: Headers;
  body: string;
  query: URLSearchParams;
}

type Respond = (asked: Asked) => Response | Promise<Response>;

export const ME = "01890000-0000-7000-8000-000000000001";

export const tokens = (seconds: number, number = 0): Tokens => ({
  access_token: `a${number}`,
  refresh_token: `r${number}`,
  expires_at: Date.now() + seconds * 1000,
  user_id: ME,
  session_id: ME,
});

export const problem = (status: number, code: string, more: object = {}): Response =>
  Response.json({ status, title: "No", code, detail: "Not so.", ...more }, { status });

export const pair = (number: number, more: object = {}): Response =>
  Response.json({ access_token: `a${number}`, expires_in: 600, user_id: ME, session_id: ME, ...more });

/** Accepts the newest access token only, and each refresh token once; or answers as it is told. */
export class Server {
  readonly asked: Asked[] = [];
  number = 0;
  refreshes = 0;
  respond: Respond | null = null;

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input), "http://page.example");
    const asked: Asked = {
      method: String(init?.method),
      path: url.pathname,
      headers: new Headers(init?.headers),
      body: init?.body instanceof FormData ? "form" : String(init?.body ?? ""),
      query: url.searchParams,
    };
    this.asked.push(asked);
    await Promise.resolve();
    init?.signal?.throwIfAborted();
    if (asked.path === "/api/v1/auth/refresh") return this.#refresh(asked);
    if (this.respond !== null) return this.respond(asked);
    if (asked.headers.get("authorization") !== `Bearer a${this.number}`) return problem(401, "token_expired");
    return Response.json({ items: [], next: null });
  };

  #refresh({ body }: Asked): Response {
    if (body !== "{}" && !body.includes(`"r${this.number}"`)) return problem(401, "bad_token");
    this.refreshes += 1;
    this.number += 1;
    return pair(this.number, body === "{}" ? {} : { refresh_token: `r${this.number}` });
  }

  get paths(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path.replace("/api/v1", "")}`);
  }

  client(options: ClientOptions = {}): Client {
    return new Client({
      url: "http://parley.example/",
      fetch: this.fetch,
      WebSocket: Silent as unknown as typeof WebSocket,
      tokens: new MemoryTokens(tokens(600)),
      ...options,
    });
  }
}

/** A socket that never opens. */
export class Silent {
  close(): void {}
}
