/** The client: the calls of protocol version 1, and everything that happens in one's rooms, each once and in order. */

import { type Api, makeApi } from "./api.ts";
import { Caller } from "./caller.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { Emitter, type Observable, type Unsubscribe, until } from "./emitter.ts";
import { type Interruption, ParleyError } from "./errors.ts";
import { type AnyFrame, isEvent, isSendAck } from "./frames.ts";
import { Http, notParley } from "./http.ts";
import { type Locks, platformLocks } from "./locks.ts";
import { Outbox } from "./outbox.ts";
import { type EventNotice, type GoneNotice, type Notice, Positions, type ResyncNotice } from "./positions.ts";
import type {
  Me,
  PresenceFrame,
  ReadyFrame,
  ReceiptFrame,
  Registration,
  Resume,
  SendAckFrame,
  StreamEvent,
  TypingFrame,
} from "./protocol.ts";
import { MemoryTokens, Session, type TokenStore } from "./session.ts";
import { type Draft, MemoryOutbox, type OutboxStorage, type Sent } from "./storage.ts";

export interface ClientOptions {
  /** Of the server, as `https://chat.example`. Empty, the default: the page's own. */
  url?: string;
  /** For browsers: the refresh token is a cookie that no script sees. Otherwise it lies in `tokens`. */
  cookies?: boolean;
  /** Where a program keeps its tokens; otherwise in memory. */
  tokens?: TokenStore;
  /** Where unsent messages survive a reload; otherwise in memory. */
  outbox?: OutboxStorage;
  /** `client.positions` of an earlier run: go on from there. */
  positions?: Resume;
  /** For the server's connection log. */
  clientName?: string;
  deviceId?: string;
  /** Of the platform, unless given. */
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
  locks?: Locks;
  random?: () => number;
}

/** What can be listened to. Everything of one stream comes in order. */
export interface ClientEvents {
  /** The connection stands, and this is what there is. Notices of what was missed follow. */
  ready: ReadyFrame;
  /** All that was missed has been told. */
  live: undefined;
  /** Something happened. Of each stream seq n, n + 1, n + 2, … whatever becomes of the connection. */
  event: EventNotice;
  /** Too much was missed: read that stream's state again. */
  resync: ResyncNotice;
  /** One is no longer in that room, or it is no more. */
  gone: GoneNotice;
  /** Facts without a seq, which may be missed. */
  receipt: ReceiptFrame;
  typing: TypingFrame;
  presence: PresenceFrame;
  /** A message of the outbox is committed. */
  sent: Sent;
  /** The session is over: sign in again, with another Client. */
  signedOut: ParleyError;
  /** The outbox could not be stored; it lives on in memory. */
  storageFailed: unknown;
}

/** For a panel that shows how the connection stands. */
export interface Details {
  state: ConnectionState;
  /** Finds this connection in the server's log; null while there is none. */
  connectionId: string | null;
  sessionId: string | null;
  rttMs: number | null;
  lastClose: Interruption | null;
  epoch: string | null;
  /** seq: how far one has come. head: the newest that is known of. */
  streams: { stream: string; seq: number; head: number }[];
  /** Messages that are not committed yet. */
  unsent: number;
}

export class Client {
  /** Every call of the HTTP API; needs no connection. */
  readonly api: Api;
  readonly session: Session;
  readonly outbox: Outbox;
  readonly #connection: Connection;
  readonly #positions: Positions;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #reads = new Map<string, number>();
  #watched: string[] | null = null;

  constructor(options: ClientOptions = {}) {
    const cookies = options.cookies ?? false;
    const locks = options.locks ?? platformLocks();
    const random = options.random ?? Math.random;
    const http = new Http(options.url ?? "", cookies, options.fetch);
    this.session = new Session(http, cookies ? null : (options.tokens ?? new MemoryTokens()), locks);
    this.api = makeApi(new Caller(http, this.session));
    this.#positions = new Positions(options.positions);
    this.#connection = new Connection(
      {
        url: http.socketAddress,
        client: options.clientName ?? "parley-typescript",
        deviceId: options.deviceId,
        WebSocket: options.WebSocket ?? globalThis.WebSocket,
        random,
      },
      {
        token: worn => (worn === null ? this.session.token() : this.session.instead(worn)),
        expiresAt: () => this.session.expiresAt,
        resume: () => this.#positions.resume(),
        ready: frame => this.#onReady(frame),
        event: (frame, signal) => this.#onEvent(frame, signal),
        live: () => this.#onLive(),
        fact: frame => this.#onFact(frame),
      },
    );
    this.outbox = new Outbox(options.outbox ?? new MemoryOutbox(), locks, random, {
      transmit: command => this.#connection.command(command, isSendAck),
      isLive: () => this.#connection.isLive,
      sent: sent => this.#emitter.emit("sent", sent),
      storageFailed: error => this.#emitter.emit("storageFailed", error),
    });
    this.session.on("signedIn", userId => void this.outbox.start(userId));
    this.session.on("signedOut", error => {
      this.#connection.stop(error);
      this.#emitter.emit("signedOut", error);
    });
    this.state.subscribe(state => state.name === "stopped" && this.outbox.close(state.reason));
  }

  /** Hear of something; call what is returned to hear no more. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(name, listener);
  }

  // -- accounts

  /** Sign in. Throws ParleyError `bad_credentials`, `rate_limited`. */
  login(username: string, password: string): Promise<void> {
    return this.session.login(username, password);
  }

  /** A new account, and sign in with it. */
  async register(account: Registration): Promise<Me> {
    const me = await this.api.accounts.register(account);
    await this.login(account.username, account.password);
    return me;
  }

  /** After a reload: whether somebody is signed in already. Throws ParleyError if the server does not say: `unreachable`, … */
  restore(): Promise<boolean> {
    return this.session.restore();
  }

  /** End the session, and this client with it. */
  logout(): Promise<void> {
    return this.session.logout();
  }

  // -- the connection

  get state(): Observable<ConnectionState> {
    return this.#connection.state;
  }

  /** `{epoch, at}` after what was told last; null before the first connection. Give it to another Client, and it goes on. */
  get positions(): Resume | null {
    return this.#positions.all();
  }

  get details(): Details {
    const { state, connectionId, sessionId, rttMs, lastClose } = this.#connection;
    return {
      state: state.value,
      connectionId,
      sessionId,
      rttMs,
      lastClose,
      epoch: this.#positions.all()?.epoch ?? null,
      streams: this.#positions.standings(),
      unsent: this.outbox.waiting,
    };
  }

  /** Connect, and stay connected. Resolves when it is live for the first time. Throws ParleyError if it stops before. */
  connect(): Promise<void> {
    this.#connection.start();
    const live = this.#live();
    // Who does not look at the promise sees it in `state`.
    live.catch(() => undefined);
    return live;
  }

  /** Somebody does not want to wait: the next attempt is made now. For a button; whoever presses none comes back by himself. */
  tryNow(): void {
    this.#connection.tryNow();
  }

  /** For good. What is unsent stays in its storage; whoever waits for it gets `stopped`. */
  close(): void {
    this.#connection.stop(new ParleyError("stopped", "The client was closed."));
  }

  // -- talking

  /**
   * Resolves when the message is committed, in the order of the calls for each room, whatever becomes of the connection
   * meanwhile; rejects with the ParleyError of a refusal for good, or `stopped`. Who draws `client.outbox.entries` may leave the
   * promise alone.
   */
  send(roomId: string, message: string | Draft): Promise<SendAckFrame> {
    this.#connection.start();
    return this.outbox.send(roomId, typeof message === "string" ? { body: message } : message);
  }

  /** I have read up to here. Without a connection the newest is kept until there is one. */
  read(roomId: string, seq: number): void {
    if (!this.#connection.tell({ type: "read", room_id: roomId, seq })) {
      this.#reads.set(roomId, Math.max(seq, this.#reads.get(roomId) ?? 0));
    }
  }

  /** This device has everything up to here. */
  delivered(roomId: string, seq: number): void {
    this.#connection.tell({ type: "delivered", room_id: roomId, seq });
  }

  /** I type, or no longer do; say it again every few seconds. A hint that may be dropped. */
  typing(roomId: string, on = true): void {
    this.#connection.tell({ type: "typing", room_id: roomId, on });
  }

  /** Hear, through `presence`, how these people (200 at most) come and go. Replaces those before, and holds over reconnects. */
  async watchPresence(userIds: readonly string[]): Promise<void> {
    this.#watched = [...userIds];
    await this.connect();
    await this.#connection.command({ type: "watch_presence", user_ids: this.#watched });
  }

  // -- what comes in

  async #live(): Promise<void> {
    const state = await until(this.state, ({ name }) => name === "live" || name === "stopped");
    if (state.name === "stopped") throw state.reason;
  }

  #onReady(frame: ReadyFrame): void {
    void this.outbox.start(frame.user.id);
    this.#emitter.emit("ready", frame);
    this.#tell(this.#positions.ready(frame));
  }

  #onLive(): void {
    for (const [room_id, seq] of this.#reads) this.#connection.tell({ type: "read", room_id, seq });
    this.#reads.clear();
    if (this.#watched !== null) {
      // If this one is lost, the next connection says it again.
      this.#connection.command({ type: "watch_presence", user_ids: this.#watched }).catch(() => undefined);
    }
    this.#emitter.emit("live", undefined);
    void this.outbox.adopt().then(() => this.outbox.pump());
    this.outbox.pump();
  }

  /** Without a gap it is done at once; otherwise what lies between is fetched first. */
  #onEvent(frame: StreamEvent, signal: AbortSignal): Promise<void> | undefined {
    if (this.#positions.gap(frame) !== null) return this.#fill(frame, signal);
    this.#tell(this.#positions.take(frame));
    return undefined;
  }

  async #fill(frame: StreamEvent, signal: AbortSignal): Promise<void> {
    for (let after = this.#positions.gap(frame); after !== null; after = this.#positions.gap(frame)) {
      try {
        const page = await this.api.sync.events(frame.stream, after, 200, signal);
        signal.throwIfAborted();
        if (!(Array.isArray(page.items) && page.items.every(isEvent))) throw notParley(200);
        for (const missed of page.items) {
          if (this.#positions.gap(missed) === null) this.#tell(this.#positions.take(missed));
        }
        // A log that leads no further has lost what lies between.
        if (this.#positions.gap(frame) !== after) continue;
      } catch (error) {
        if (!(error instanceof ParleyError)) throw error;
        // Out of the room meanwhile, which the user's own stream is about to tell.
        if (error.code === "not_found" || error.code === "not_a_member") return;
        if (error.code !== "resync") throw error;
      }
      this.#tell([this.#positions.skip(frame)]);
    }
    this.#tell(this.#positions.take(frame));
  }

  #tell(notices: Notice[]): void {
    for (const notice of notices) this.#emitter.emit(notice.type, notice as never);
  }

  #onFact(frame: AnyFrame): void {
    if (frame.type === "receipt" || frame.type === "typing" || frame.type === "presence") {
      this.#emitter.emit(frame.type, frame as never);
    }
  }
}
