/** Who is signed in: an access token that renews itself, once for all who need it, in this tab and in the others. */

import { Emitter, type Unsubscribe } from "./emitter.ts";
import { ParleyError, signInFirst } from "./errors.ts";
import { type Http, notParley } from "./http.ts";
import type { Locks } from "./locks.ts";
import type { TokenAnswer } from "./protocol.ts";

/** A token is renewed so long before it expires. */
const EARLY_MS = 30_000;
/** The refresh token is no good; there is none. */
const NOBODY: readonly number[] = [401, 422];

/** `expires_at`: of the access token, in milliseconds since 1970 by this machine's clock. */
export interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_at: number;
  user_id: string;
  session_id: string;
}

type MaybePromise<T> = T | Promise<T>;

/** Where a program keeps its tokens. A refresh token works once: what `save` is given must survive. Browsers use cookies. */
export interface TokenStore {
  load(): MaybePromise<Tokens | null>;
  save(tokens: Tokens | null): MaybePromise<void>;
}

/** For as long as the program runs. */
export class MemoryTokens implements TokenStore {
  #tokens: Tokens | null;

  constructor(tokens: Tokens | null = null) {
    this.#tokens = tokens;
  }

  load(): Tokens | null {
    return this.#tokens;
  }

  save(tokens: Tokens | null): void {
    this.#tokens = tokens;
  }
}

interface SessionEvents {
  /** There are tokens now: after a sign-in, or found in the store or the cookie. */
  signedIn: string;
  /** The session is over, and why. */
  signedOut: ParleyError;
}

export class Session {
  readonly #http: Http;
  readonly #store: TokenStore | null;
  readonly #locks: Locks;
  readonly #emitter = new Emitter<SessionEvents>();
  #tokens: Tokens | null = null;
  #loading: Promise<void> | null = null;
  #renewing: Promise<string> | null = null;

  /** store: null where the refresh token is a cookie. */
  constructor(http: Http, store: TokenStore | null, locks: Locks) {
    this.#http = http;
    this.#store = store;
    this.#locks = locks;
  }

  on<Name extends keyof SessionEvents>(name: Name, listener: (value: SessionEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(name, listener);
  }

  /** Null until there are tokens. */
  get userId(): string | null {
    return this.#tokens?.user_id ?? null;
  }

  get expiresAt(): number {
    return this.#tokens?.expires_at ?? 0;
  }

  /** Sign in. Throws ParleyError `bad_credentials`, `rate_limited`. */
  async login(username: string, password: string): Promise<void> {
    const form = new URLSearchParams({ username, password });
    if (this.#store === null) form.set("cookies", "true");
    await this.#take(await this.#http.json("POST", "/auth/token", { body: form }));
  }

  /** Whether somebody is signed in already: by the cookie, or by what the store holds. Throws ParleyError if the server does not say. */
  async restore(): Promise<boolean> {
    try {
      await this.token();
      return true;
    } catch (error) {
      if (error instanceof ParleyError && NOBODY.includes(error.status)) return false;
      throw error;
    }
  }

  /** End the session at the server, and forget the tokens. */
  async logout(): Promise<void> {
    await this.#load();
    const body = this.#store === null ? {} : { refresh_token: this.#tokens?.refresh_token };
    if (this.#store === null || this.#tokens !== null) await this.#http.json("POST", "/auth/logout", { body });
    await this.#forget(new ParleyError("stopped", "Signed out."));
  }

  /** An access token that still lives; `fresh` demands a new one. Throws ParleyError if there is no way to one. */
  async token(fresh = false): Promise<string> {
    await this.#load();
    const now = this.#tokens;
    if (now !== null && !fresh && now.expires_at - EARLY_MS > Date.now()) return now.access_token;
    this.#renewing ??= this.#renew(now?.access_token).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** Another access token than this one, which was refused. */
  async instead(refused: string): Promise<string> {
    return this.token(this.#tokens?.access_token === refused);
  }

  async #load(): Promise<void> {
    if (this.#store === null) return;
    this.#loading ??= this.#reload();
    await this.#loading;
  }

  async #reload(): Promise<void> {
    const found = (await this.#store?.load()) ?? null;
    if (found !== null) this.#adopt(found);
  }

  async #renew(old: string | undefined): Promise<string> {
    return this.#locks.request(`parley:refresh:${this.#http.url}`, {}, async () => {
      if (this.#store !== null) {
        // Another program may have renewed it meanwhile, and what this one holds works no more.
        await this.#reload();
        if (this.#tokens === null) throw signInFirst();
        if (this.#tokens.access_token !== old) return this.#tokens.access_token;
      }
      const body = this.#store === null ? {} : { refresh_token: this.#tokens?.refresh_token };
      try {
        return await this.#take(await this.#http.json("POST", "/auth/refresh", { body }));
      } catch (error) {
        if (error instanceof ParleyError && error.status === 401) await this.#forget(error);
        throw error;
      }
    });
  }

  async #take(answer: unknown): Promise<string> {
    const found = answer as TokenAnswer;
    if (typeof found.access_token !== "string" || typeof found.expires_in !== "number") throw notParley(200);
    const tokens: Tokens = {
      access_token: found.access_token,
      refresh_token: found.refresh_token ?? "",
      expires_at: Date.now() + found.expires_in * 1000,
      user_id: found.user_id,
      session_id: found.session_id,
    };
    await this.#store?.save(tokens);
    this.#adopt(tokens);
    return tokens.access_token;
  }

  #adopt(tokens: Tokens): void {
    this.#tokens = tokens;
    this.#emitter.emit("signedIn", tokens.user_id);
  }

  async #forget(error: ParleyError): Promise<void> {
    const wasSignedIn = this.#tokens !== null;
    this.#tokens = null;
    await this.#store?.save(null);
    if (wasSignedIn) this.#emitter.emit("signedOut", error);
  }
}
