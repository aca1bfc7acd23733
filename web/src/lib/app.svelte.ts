/** The page's state as a whole: who is signed in, with which client and which store. */

import { Client, ParleyError, type Registration } from "@parley/client";
import { getContext, setContext } from "svelte";
import type { Cache, Remembered } from "../store/cache.ts";
import { Store } from "../store/store.ts";
import { forgetDrafts } from "./drafts.ts";
import { isNobody, noted, noteNobody, noteSignIn } from "./signin.ts";

export type Session =
  /** Nobody knows yet. */
  | { name: "starting" }
  /** `ended`: the session was over without one's own doing. */
  | { name: "out"; ended: ParleyError | null }
  /** Also while the server cannot be reached, with what was kept of the last visit. */
  | { name: "in"; client: Client; store: Store };

/** With these codes a server closes the connection of a session that is over: ended elsewhere, disabled, erased. */
const SESSION_IS_OVER: readonly (number | undefined)[] = [4500, 4503];

export class App {
  session = $state.raw<Session>({ name: "starting" });
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** Who was signed in before still is, by the cookie; without a connection he sees what was there at his last visit. */
  async start(): Promise<void> {
    const last = await this.#cache.last();
    let client = this.#client(last);
    // Whose rooms are kept has signed in, whatever is noted.
    if (last === null && isNobody()) return this.#leave(client, null);
    if (last !== null) {
      this.#enter(client, last);
      // What is unsent is shown, and what one writes is kept, also while nobody can say who one is.
      void client.outbox.start(last.userId);
    }
    try {
      const before = noted();
      if (!(await client.restore())) {
        noteNobody(before);
        return this.#leave(client, null);
      }
      noteSignIn();
      if (client.session.userId !== last?.userId) {
        if (last !== null) {
          // Somebody else by now: what waits in that outbox is not his.
          client.close();
          client = this.#client(null);
          await client.restore();
        }
        return await this.#enterAs(client);
      }
    } catch (error) {
      if (!(error instanceof ParleyError)) throw error;
      if (last === null) {
        // Nothing was kept: the form to sign in says what is wrong, when one tries.
        this.#leave(client, error.code === "unreachable" ? error : null);
        return;
      }
    }
    this.#connect(client);
  }

  /** Throws ParleyError `bad_credentials`, `rate_limited`, `unreachable`. */
  async signIn(username: string, password: string): Promise<void> {
    const client = this.#client(null);
    await this.#signIn(() => client.login(username, password));
    await this.#enterAs(client);
  }

  /** A new account, signed in. Throws ParleyError `username_taken`, `weak_password`, `bad_invite`, … */
  async register(registration: Registration): Promise<void> {
    const client = this.#client(null);
    await this.#signIn(() => client.register(registration));
    await this.#enterAs(client);
  }

  /** Ends the session here, and forgets what this browser kept of it. Throws ParleyError `unreachable`. */
  async signOut(): Promise<void> {
    if (this.session.name !== "in") return;
    const { client } = this.session;
    const before = noted();
    await client.logout();
    noteNobody(before);
    this.#leave(client, null);
    forgetDrafts();
  }

  /** Noted before, since a page may go in the middle of it, and after, since another tab may have asked in the middle of it. */
  async #signIn(work: () => Promise<unknown>): Promise<void> {
    noteSignIn();
    await work();
    noteSignIn();
  }

  #client(last: Remembered | null): Client {
    return new Client({
      cookies: true,
      clientName: "parley-web",
      deviceId: this.#cache.deviceId,
      outbox: this.#cache.outbox,
      ...(last?.positions == null ? {} : { positions: last.positions }),
    });
  }

  /** As somebody of whom nothing is kept here, or as another one than the last. */
  async #enterAs(client: Client): Promise<void> {
    const userId = client.session.userId;
    if (userId === null) throw new ParleyError("stopped", "Nobody is signed in.");
    if (this.session.name === "in") this.session.store.close();
    await this.#cache.begin(userId);
    forgetDrafts(userId);
    this.#enter(client, { userId, me: null, rooms: [], users: [], windows: [], room: null, positions: null });
    this.#connect(client);
  }

  #enter(client: Client, remembered: Remembered): void {
    const store = new Store(client, this.#cache, remembered);
    client.on("signedOut", error => this.#leave(client, error));
    // The connection hears of it before any call does.
    client.state.subscribe(state => {
      if (state.name === "stopped" && SESSION_IS_OVER.includes(state.reason.close?.code))
        this.#leave(client, state.reason);
    });
    this.session = { name: "in", client, store };
  }

  #connect(client: Client): void {
    void client.connect().catch(() => undefined);
  }

  #leave(client: Client, ended: ParleyError | null): void {
    if (this.session.name === "in") {
      if (this.session.client !== client) return;
      this.session.store.close();
    }
    client.close();
    void this.#cache.forget();
    const byOneself = ended?.code === "stopped" && ended.close === undefined;
    this.session = { name: "out", ended: byOneself ? null : ended };
  }
}

const KEY = Symbol("app");

export const provideApp = (app: App): App => setContext(KEY, app);
export const useApp = (): App => getContext<App>(KEY);

/** Of who is signed in; only beneath views that need it. */
export function useSession(): Extract<Session, { name: "in" }> {
  const { session } = useApp();
  if (session.name !== "in") throw new Error("This view needs somebody who is signed in.");
  return session;
}
