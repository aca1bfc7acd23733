/** A server and a network without either: everything happens when the scenario says so, in the time of the fake clock. */

import { vi } from "vitest";
import type { Answer, Fields, Json, Told } from "./scenarios.ts";
import { NAMES } from "./scenarios.ts";

const INSTANT = "2026-01-01T00:00:00Z";
export const ME = NAMES["me"] as string;

/** One connection, seen from the server. */
export class FakeSocket {
  static readonly OPEN = 1;
  readonly OPEN = 1;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  /** Frames of the client that nobody has looked at, pings and pongs not among them. */
  readonly heard: Fields[] = [];
  /** Pings and pongs. */
  signs = 0;
  readonly at = performance.now();

  constructor(world: World) {
    world.connections.push(this);
    queueMicrotask(() => (world.down ? this.close(1006) : this.#open()));
  }

  #open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  send(text: string): void {
    const frame = JSON.parse(text) as Fields;
    if (frame["type"] === "ping" || frame["type"] === "pong") this.signs += 1;
    else this.heard.push(frame);
  }

  tell(data: unknown): void {
    this.onmessage?.({ data });
  }

  /** Of either side. */
  close(code: number, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

export class World {
  readonly connections: FakeSocket[] = [];
  readonly requests: string[] = [];
  readonly unexpected: string[] = [];
  readonly answers: Map<string, Answer[]>;
  down = false;
  refreshes = 0;

  constructor(answers: Record<string, Answer[]>) {
    this.answers = new Map(Object.entries(answers).map(([request, found]) => [request, [...found]]));
  }

  get connection(): FakeSocket {
    const found = this.connections.at(-1);
    if (found === undefined) throw new Error("there is no connection");
    return found;
  }

  readonly WebSocket = (() => {
    const world = this;
    return class extends FakeSocket {
      constructor() {
        super(world);
      }
    } as unknown as typeof WebSocket;
  })();

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    const after = url.searchParams.get("after");
    const path = url.pathname.replace("/api/v1", "");
    const request = `${init?.method} ${path}${after === null ? "" : `?after=${after}`}`;
    this.requests.push(request);
    const prepared = this.answers.get(request);
    const answer = prepared !== undefined && prepared.length > 1 ? prepared.shift() : prepared?.[0];
    if (answer === undefined && path === "/auth/refresh") return this.#refreshed();
    if (answer === undefined) this.unexpected.push(request);
    const { status, body, events, unreachable, after_ms } = answer ?? { status: 404 };
    if (after_ms) await new Promise(resolve => setTimeout(resolve, after_ms));
    init?.signal?.throwIfAborted();
    if (unreachable) throw new TypeError("fetch failed");
    const stream = path.startsWith("/rooms/") ? `room:${path.split("/")[2]}` : `user:${ME}`;
    const page = { items: events?.map(seq => eventFrame(stream, seq)), head: 0, next: null };
    const problem = { status, title: "No", code: "not_found", detail: "No." };
    return Response.json(body ?? (status < 400 ? page : problem), { status });
  };

  #refreshed(): Response {
    this.refreshes += 1;
    const pair = { access_token: `token ${this.refreshes}`, refresh_token: `refresh ${this.refreshes}` };
    return Response.json({ ...pair, token_type: "bearer", expires_in: 600, user_id: ME, session_id: ME });
  }
}

/** Whatever can happen without time passing has happened. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await vi.advanceTimersByTimeAsync(0);
}

/** Lets time pass until it holds, but no longer than that. How many milliseconds it took; null if it did not come about. */
export async function until(holds: () => boolean, withinMs: number): Promise<number | null> {
  const began = performance.now();
  setTimeout(() => undefined, withinMs);
  await settle();
  while (!holds()) {
    if (performance.now() - began >= withinMs) return null;
    await vi.advanceTimersToNextTimerAsync();
    await settle();
  }
  return performance.now() - began;
}

export function eventFrame(stream: string, seq: number, event: Fields = {}): Fields {
  return { type: "event", stream, seq, event: { kind: "test", at: INSTANT, actor_id: null, ...event } as Json };
}

export const told = ([stream, seqs, event]: Told): Fields[] => {
  const [from, to] = typeof seqs === "number" ? [seqs, seqs] : seqs;
  return Array.from({ length: to - from + 1 }, (_, index) => eventFrame(stream, from + index, event));
};

export const hello = (): Fields => ({
  type: "hello",
  protocol: 1,
  heartbeat_ms: 25_000,
  max_frame_bytes: 65_536,
  server_time: INSTANT,
  connection_id: ME,
});

const room = ([id, head]: [string, number]): Fields => ({
  id,
  kind: "room",
  name: "A room",
  topic: "",
  visibility: "public",
  encryption: "plain",
  history: "all",
  language: "english",
  slow_mode_s: 0,
  rev: 1,
  created_by: ME,
  created_at: INSTANT,
  role: "member",
  from_seq: 1,
  head,
  read_seq: 0,
  unread: 0,
  mentions: 0,
  member_count: 1,
});

export const ready = (epoch: string, streams: Fields, rooms: [string, number][]): Fields => ({
  type: "ready",
  id: 0,
  session_id: ME,
  user: { id: ME, username: "me", display_name: "Me", role: "user", rev: 1, read_receipts: true, created_at: INSTANT },
  epoch,
  rooms: rooms.map(room) as Json,
  more_rooms: false,
  streams: { [`user:${ME}`]: { status: "current", head: 0 }, ...streams } as Json,
});

export const ack = (id: Json, seq: number, duplicate: boolean): Fields => ({
  type: "ack",
  id,
  message_id: ME,
  seq,
  n: seq,
  created_at: INSTANT,
  duplicate,
});
