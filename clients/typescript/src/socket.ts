/** One WebSocket: frames out and in, whether the peer is there, and how long the way is. */

import type { Close } from "./errors.ts";

export interface SocketHooks {
  frame(data: unknown): void;
  /** null: it never opened. */
  closed(close: Close | null): void;
}

export class Socket {
  readonly #socket: WebSocket;
  #opened = false;
  #heardAt = performance.now();
  #pingedAt: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silentMs = 0;
  #silent: () => void = () => undefined;

  /** Null until `watch`. */
  heartbeatMs: number | null = null;
  /** Round trip of the last ping. */
  rttMs: number | null = null;

  constructor(socket: WebSocket, hooks: SocketHooks) {
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }) => {
      this.#heardAt = performance.now();
      hooks.frame(data);
    };
    socket.onclose = ({ code, reason }) => hooks.closed(this.#opened ? { code, reason } : null);
  }

  send(frame: object): void {
    // In a socket that is closing already the browser drops it silently; its `close` is on the way.
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** Asks after a heartbeat of silence whether the peer is there; calls `silent` when that has lasted silentMs. */
  watch(heartbeatMs: number, silentMs: number, silent: () => void): void {
    this.heartbeatMs = heartbeatMs;
    this.#silentMs = silentMs;
    this.#silent = silent;
    this.#look();
  }

  ping(): void {
    this.#pingedAt = performance.now();
    this.send({ type: "ping" });
  }

  pong(): void {
    if (this.#pingedAt !== null) this.rttMs = performance.now() - this.#pingedAt;
    this.#pingedAt = null;
  }

  /** The peer has so long to say something; and again after that, as long as there is doubt. */
  proveLife(withinMs: number, doubt: () => boolean): void {
    const asked = performance.now();
    this.ping();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#heardAt < asked) this.#silent();
      else if (doubt()) this.proveLife(withinMs, doubt);
      else this.#look();
    }, withinMs);
  }

  /** Say that it is over; what comes in from here on is nobody's. */
  close(): void {
    this.forget();
    this.#socket.close(1000);
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
  }

  #look(): void {
    const silence = performance.now() - this.#heardAt;
    const heartbeat = this.heartbeatMs ?? 0;
    clearTimeout(this.#timer);
    if (silence >= this.#silentMs) return this.#silent();
    if (silence >= heartbeat) this.ping();
    const next = silence >= heartbeat ? this.#silentMs : heartbeat;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, next - silence));
  }
}
