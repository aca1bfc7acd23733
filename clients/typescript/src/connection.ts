/** The WebSocket: connect, authenticate, resume, and come back whenever that is what the close code means. */

import { Backoff, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, meansStop, RENEW } from "./closes.ts";
import { type Observable, Variable } from "./emitter.ts";
import { bug, type Close, disconnected, type Interruption, ParleyError, passes } from "./errors.ts";
import { type AnyFrame, isEvent, isReady, parse, refusalOf } from "./frames.ts";
import { type Hint, listenToHints, networkIsGone } from "./hints.ts";
import { Ordered } from "./ordered.ts";
import type { ReadyFrame, Resume, StreamEvent } from "./protocol.ts";
import { Socket } from "./socket.ts";

const OPEN_WITHIN_MS = 20_000;
const ANSWER_WITHIN_MS = 20_000;
const REFRESH_EARLY_MS = 60_000;
const REFRESH_AGAIN_MS = 5_000;
/** Silence for so many heartbeats means that nobody is there any more. */
const SILENCE_FACTOR = 1.5;
/** After a hint that the network may have gone, the peer has so long to show that it has not. */
const PROOF_WITHIN_MS = 5_000;

/** How the connection stands. Times are milliseconds since 1970. */
export type ConnectionState =
  | { name: "idle" }
  | { name: "connecting"; attempt: number }
  /** checking: the browser says that the network has gone, and nothing has come through since. */
  | { name: "live"; since: number; checking?: true }
  | { name: "reconnecting"; at: number; attempt: number; lastClose: Interruption | null }
  | { name: "stopped"; reason: ParleyError };

/** What a connection asks of whoever owns it. */
export interface Hooks {
  /** The access token; any other than the one that is named. */
  token(insteadOf: string | null): Promise<string>;
  /** When it runs out. */
  expiresAt(): number;
  resume(): Resume | null;
  ready(frame: ReadyFrame): void;
  /** A promise holds up what follows. A ParleyError ends the connection, which then resumes. */
  event(frame: StreamEvent, signal: AbortSignal): Promise<void> | undefined;
  live(): void;
  /** Receipts, typing, presence. */
  fact(frame: AnyFrame): void;
}

export interface ConnectionOptions {
  url: string;
  client: string;
  deviceId?: string | undefined;
  WebSocket: typeof WebSocket;
  random: () => number;
}

type Timer = ReturnType<typeof setTimeout>;

interface Waiting {
  /** Whether it is the answer to this; otherwise somebody does not speak the protocol. */
  accepts(frame: AnyFrame): boolean;
  resolve(frame: AnyFrame): void;
  reject(error: ParleyError): void;
  timer: Timer;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #hooks: Hooks;
  readonly #state = new Variable<ConnectionState>({ name: "idle" });
  readonly #backoff: Backoff;
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | null = null;
  #ordered: Ordered | null = null;
  #lastId = 0;
  #attempt = 0;
  #began = 0;
  /** What this connection was opened with. */
  #token = "";
  /** A token that the server has had enough of. */
  #worn: string | null = null;
  #renewedBefore = false;
  /** By performance.now; null unless the server has asked to come back. */
  #comeBackAt: number | null = null;
  #timers: Timer[] = [];
  #opening: Timer | undefined;
  #deaf: () => void = () => undefined;

  lastClose: Interruption | null = null;
  connectionId: string | null = null;
  sessionId: string | null = null;

  constructor(options: ConnectionOptions, hooks: Hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, options.random);
  }

  get state(): Observable<ConnectionState> {
    return this.#state;
  }

  /** Round trip of the last ping. */
  get rttMs(): number | null {
    return this.#socket?.rttMs ?? null;
  }

  get isLive(): boolean {
    return this.#state.value.name === "live";
  }

  /** Connects, and connects again, until `stop`. */
  start(): void {
    if (this.#state.value.name !== "idle") return;
    this.#deaf = listenToHints(hint => this.#hint(hint));
    void this.#connect();
  }

  /** Ends the pause before the next attempt, if there is one. */
  tryNow(): void {
    // Of somebody's own hand, at his own moment: no two come together by it, not even within a window that the server named.
    if (this.#state.value.name === "reconnecting") this.#reconnect(0);
  }

  /** For good: whoever waits gets this error. */
  stop(reason: ParleyError): void {
    if (this.#state.value.name === "stopped") return;
    this.#deaf();
    this.#socket?.close();
    this.#lose(reason);
    this.#state.set({ name: "stopped", reason });
  }

  /** Sends a command; its ack. Throws ParleyError: the refusal, `disconnected`, `stopped`. */
  command<Answer extends object = AnyFrame>(
    frame: AnyFrame,
    accepts: (frame: object) => frame is Answer = (_): _ is Answer => true,
  ): Promise<Answer> {
    const state = this.#state.value;
    if (state.name === "stopped") return Promise.reject(state.reason);
    if (state.name !== "live" || this.#socket === null) return Promise.reject(disconnected("There is no connection."));
    this.#lastId += 1;
    const id = this.#lastId;
    const socket = this.#socket;
    return new Promise<Answer>((resolve, reject) => {
      const late = () => this.#settle(id, waiting => waiting.reject(disconnected("No answer in time.")));
      const timer = setTimeout(late, ANSWER_WITHIN_MS);
      this.#waiting.set(id, { accepts, resolve: found => resolve(found as unknown as Answer), reject, timer });
      socket.send({ ...frame, id });
    });
  }

  /** A command that is worth no answer, if there is a connection. */
  tell(frame: AnyFrame): boolean {
    if (!this.isLive || this.#socket === null) return false;
    this.#socket.send(frame);
    return true;
  }

  // -- one connection

  async #connect(): Promise<void> {
    this.#attempt += 1;
    this.#began = performance.now();
    this.#state.set({ name: "connecting", attempt: this.#attempt });
    try {
      this.#token = await this.#hooks.token(this.#worn);
      if (this.#state.value.name !== "stopped") this.#open();
    } catch (error) {
      this.#renewedBefore = false;
      if (!passes(error)) this.stop(bug(error));
      else if (this.#state.value.name !== "stopped") this.#comeBack();
    }
  }

  #open(): void {
    this.#socket = new Socket(new this.#options.WebSocket(this.#options.url), {
      frame: data => this.#receive(data),
      closed: close => this.#closed(close),
    });
    this.#ordered = new Ordered(
      (frame, signal) => this.#inOrder(frame, signal),
      error => (error instanceof ParleyError ? this.#drop(error.detail) : this.stop(bug(error))),
    );
    this.#opening = this.#later(OPEN_WITHIN_MS, () => this.#drop("it did not open in time"));
  }

  #receive(data: unknown): void {
    const frame = parse(data);
    const socket = this.#socket;
    if (frame === null || socket === null) return this.#drop("not of this protocol");
    if (socket.heartbeatMs === null && frame.type !== "hello") return this.#drop("it did not begin with hello");
    const state = this.#state.value;
    if (state.name === "live" && state.checking) this.#state.set({ name: "live", since: state.since });
    switch (frame.type) {
      case "hello":
        return this.#authenticate(socket, frame);
      case "ping":
        // Any frame is a sign of life, and the answer to this one measures the way.
        return socket.ping();
      case "pong":
        return socket.pong();
      case "ack":
      case "error":
        return this.#answered(frame);
      case "reconnect":
        return this.#heed(frame["after_ms"]);
      case "ready":
      case "event":
      case "live":
        return this.#ordered?.push(frame);
      default:
        return this.#hooks.fact(frame);
    }
  }

  #authenticate(socket: Socket, hello: AnyFrame): void {
    const { heartbeat_ms: heartbeat, connection_id: id } = hello;
    if (typeof heartbeat !== "number" || heartbeat <= 0) return this.#drop("not of this protocol");
    this.connectionId = typeof id === "string" ? id : null;
    socket.watch(heartbeat, heartbeat * SILENCE_FACTOR, () => this.#drop("nothing was heard for too long"));
    const resume = this.#hooks.resume();
    const last = this.lastClose;
    socket.send({
      type: "auth",
      id: 0,
      token: this.#token,
      protocol: 1,
      client: this.#options.client,
      ...(this.#options.deviceId === undefined ? {} : { device_id: this.#options.deviceId }),
      ...(resume === null ? {} : { resume }),
      ...(last === null ? {} : { last_close: { code: last.code, reason: last.reason } }),
    });
  }

  #inOrder(frame: AnyFrame, signal: AbortSignal): Promise<void> | undefined {
    if (frame.type === "event") {
      if (isEvent(frame)) return this.#hooks.event(frame, signal);
      this.#drop("not of this protocol");
    } else if (frame.type === "ready") {
      if (!isReady(frame)) this.#drop("not of this protocol");
      else {
        // What was missed may take its time from here on.
        clearTimeout(this.#opening);
        this.sessionId = frame.session_id;
        this.#hooks.ready(frame);
      }
    } else if (this.#state.value.name === "connecting") {
      this.#attempt = 0;
      this.#state.set({ name: "live", since: Date.now() });
      this.#socket?.ping();
      this.#keepToken(this.#token);
      this.#hooks.live();
    }
    return undefined;
  }

  #answered(frame: AnyFrame): void {
    const id = frame["id"] as number;
    const waiting = this.#waiting.get(id);
    // Of `auth`, and the close code that follows says what it means; or of a command that nobody waits for any more.
    if (waiting === undefined) return;
    if (frame.type === "error" ? typeof frame["code"] !== "string" : !waiting.accepts(frame)) {
      return this.#drop("not of this protocol");
    }
    this.#settle(id, () => (frame.type === "error" ? waiting.reject(refusalOf(frame)) : waiting.resolve(frame)));
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    how(waiting);
  }

  /** A new access token on the open socket before the old one runs out. */
  #keepToken(told: string): void {
    const wait = Math.max(1000, this.#hooks.expiresAt() - Date.now() - REFRESH_EARLY_MS);
    this.#later(Math.min(wait, 2 ** 31 - 1), () => this.#refresh(told));
  }

  async #refresh(told: string): Promise<void> {
    const socket = this.#socket;
    try {
      const token = await this.#hooks.token(told);
      if (socket !== this.#socket) return;
      await this.command({ type: "refresh", token });
      this.#keepToken(token);
    } catch (error) {
      // The server closes with 4014 in the end, and that way leads to a new token too.
      if (socket === this.#socket) this.#later(REFRESH_AGAIN_MS, () => this.#refresh(told));
      if (!(error instanceof ParleyError)) throw error;
    }
  }

  /** `reconnect`: leave at a random moment of the window, or be thrown out before, and be back at that moment. */
  #heed(window: unknown): void {
    if (typeof window !== "number" || window < 0) return this.#drop("not of this protocol");
    if (this.#comeBackAt !== null) return;
    const wait = this.#options.random() * window;
    this.#comeBackAt = performance.now() + wait;
    this.#later(wait, () => this.#drop("the server asked to come back", 1000));
  }

  #hint(hint: Hint): void {
    const state = this.#state.value;
    if (state.name === "live") {
      if (hint === "away" && !state.checking) this.#state.set({ ...state, checking: true });
      // What was on its way when the network went may still come in, and proves nothing about the time after it.
      this.#socket?.proveLife(PROOF_WITHIN_MS, networkIsGone);
    } else if (state.name === "reconnecting" && hint === "back" && this.#comeBackAt === null) {
      const sooner = this.#options.random() * FIRST_PAUSE_MS;
      if (Date.now() + sooner < state.at) this.#reconnect(sooner);
    }
  }

  // -- its end

  /** This side's decision, as if the network had gone. */
  #drop(reason: string, code = 1006): void {
    if (this.#socket === null) return;
    this.#socket.close();
    this.#closed({ code, reason });
  }

  #closed(close: Close | null): void {
    const { connectionId } = this;
    this.#lose();
    if (this.#state.value.name === "stopped") return;
    // Attempts that came to nothing are no connections: what ended the last one is still what ended it.
    if (close !== null) this.lastClose = { code: close.code, reason: close.reason.slice(0, 100), connectionId };
    const code = close?.code ?? 1006;
    if (meansStop(code)) {
      const detail = `Closed for good with ${code}: ${close?.reason}`;
      return this.stop(new ParleyError("stopped", detail, { close: close ?? { code, reason: "" } }));
    }
    const again = this.#renewedBefore;
    this.#renewedBefore = code === RENEW;
    if (code === RENEW) this.#worn = this.#token;
    // Twice in a row: a server that is content with no token shall not be asked without a pause.
    if (code === RENEW && !again) void this.#connect();
    else this.#comeBack();
  }

  #comeBack(): void {
    const told = this.#comeBackAt;
    if (told === null) {
      if (performance.now() - this.#began > LONGEST_PAUSE_MS) this.#backoff.reset();
      this.#reconnect(this.#backoff.next());
    } else this.#reconnect(Math.max(0, told - performance.now()));
  }

  #reconnect(wait: number): void {
    this.#clearTimers();
    this.#state.set({
      name: "reconnecting",
      at: Date.now() + wait,
      attempt: this.#attempt,
      lastClose: this.lastClose,
    });
    this.#later(wait, () => {
      this.#comeBackAt = null;
      void this.#connect();
    });
  }

  #lose(error = disconnected("The connection was lost before the answer came.")): void {
    this.#clearTimers();
    this.#ordered?.stop();
    this.#socket?.forget();
    this.#ordered = this.#socket = null;
    this.connectionId = null;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, waiting => waiting.reject(error));
  }

  #later(wait: number, run: () => unknown): Timer {
    const timer = setTimeout(run, wait);
    this.#timers.push(timer);
    return timer;
  }

  #clearTimers(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }
}
