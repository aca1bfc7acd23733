/** Goes through a scenario's steps with a Client between the application and the server that they describe. */

import { expect } from "vitest";
import { Client, MemoryTokens, type Notice, ParleyError } from "../../src/index.ts";
import type { Fields, Json, Scenario, Shown, Step } from "./scenarios.ts";
import { ack, eventFrame, type FakeSocket, hello, ME, ready, settle, told, until, World } from "./world.ts";

type Outcome = { seq: number; duplicate: boolean } | ParleyError;

export class Director {
  readonly #world: World;
  readonly #client: Client;
  readonly #notices: Notice[] = [];
  readonly #outcomes = new Map<string, Outcome | null>();
  /** client_msg_id, or another command's type → the id of the command that was it last. */
  readonly #commands = new Map<string, Json>();
  #looked = 0;

  constructor({ given = {}, http = {} }: Scenario) {
    this.#world = new World(http);
    this.#client = new Client({
      url: "http://parley.example",
      tokens: new MemoryTokens({
        access_token: "token 0",
        refresh_token: "refresh 0",
        expires_at: Date.now() + (given.token_expires_in_s ?? 600) * 1000,
        user_id: ME,
        session_id: ME,
      }),
      ...(given.positions === undefined ? {} : { positions: given.positions }),
      fetch: this.#world.fetch,
      WebSocket: this.#world.WebSocket,
      random: () => given.random ?? 0.5,
    });
    for (const name of ["event", "resync", "gone"] as const)
      this.#client.on(name, notice => this.#notices.push(notice));
  }

  async play(steps: Step[]): Promise<void> {
    for (const [number, step] of steps.entries()) {
      try {
        await this.#step(step);
        await settle();
      } catch (error) {
        throw new Error(`step ${number + 1}, ${JSON.stringify(step).slice(0, 300)}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
    expect(this.#world.unexpected).toEqual([]);
    this.#client.close();
    await settle();
  }

  async #step(step: Step): Promise<void> {
    if (step.app !== undefined) this.#app(step);
    else if (step.server !== undefined) await this.#server(step);
    else if (step.expect !== undefined) await this.#expect(step);
    else await until(() => false, step.wait_ms ?? 0);
  }

  #app({ app, room = "", key = "", body = key }: Step): void {
    if (app === "close") return this.#client.close();
    if (app === "connect") return void this.#client.connect();
    this.#outcomes.set(key, null);
    this.#client.send(room, { body, client_msg_id: key }).then(
      ({ seq, duplicate }) => this.#outcomes.set(key, { seq, duplicate }),
      error => this.#outcomes.set(key, error),
    );
  }

  // -- what the server does

  async #server(step: Step): Promise<void> {
    const { server, epoch = "e1", streams = {}, rooms = [], events = [] } = step;
    if (server === "down" || server === "up") {
      this.#world.down = server === "down";
      return;
    }
    const connection = this.#world.connection;
    const tell = (...frames: Fields[]) => {
      for (const frame of frames) connection.tell(JSON.stringify(frame));
    };
    switch (server) {
      case "open":
        tell(hello());
        await settle();
        this.#auth(connection, step);
        tell(ready(epoch, streams, rooms), ...events.flatMap(told), { type: "live" });
        return;
      case "hello":
        return tell(hello());
      case "ready":
        return tell(ready(epoch, streams, rooms));
      case "events":
        return tell(...events.flatMap(told));
      case "large event": {
        const [stream, seq] = events[0] as [string, number];
        return tell(eventFrame(stream, seq, { padding: "x".repeat(step.padding ?? 0) }));
      }
      case "frame":
        return tell(step.frame ?? {});
      case "ping": {
        const { signs } = connection;
        tell({ type: "ping" });
        await settle();
        return expect(connection.signs).toBeGreaterThan(signs);
      }
      case "text":
        return connection.tell(step.text);
      case "binary":
        return connection.tell(new ArrayBuffer(8));
      case "ack":
        return tell(ack(this.#command(step), step.seq ?? 0, step.duplicate ?? false));
      case "refuse": {
        const { code, retry_after_ms } = step;
        const frame: Fields = { type: "error", id: this.#command(step), code: code ?? "", detail: "No." };
        return tell(retry_after_ms === undefined ? frame : { ...frame, retry_after_ms });
      }
      case "answer":
        return tell({ ...step.frame, id: this.#command(step) });
      case "close":
        return connection.close(step.code as number, step.reason);
      default:
        throw new Error("the server cannot do that");
    }
  }

  #command({ of = "" }: Step): Json {
    this.#hear();
    const id = this.#commands.get(of);
    if (id === undefined) throw new Error(`nothing was sent as ${of}`);
    return id;
  }

  #auth(connection: FakeSocket, { auth = {}, resumes = {} }: Step): void {
    const found = connection.heard.shift() as Fields;
    expect(found["type"]).toBe("auth");
    const { at = {} } = (found["resume"] ?? {}) as { at?: Record<string, number> };
    const named = Object.keys(at);
    expect(named.filter(stream => stream.startsWith("room:")).length).toBeLessThanOrEqual(200);
    // The user's own stream comes first.
    expect(named.findIndex(stream => stream.startsWith("user:"))).toBeLessThanOrEqual(0);
    if (resumes.count !== undefined) expect(named.length).toBe(resumes.count);
    for (const stream of resumes.includes ?? []) expect(named).toContain(stream);
    for (const stream of resumes.excludes ?? []) expect(named).not.toContain(stream);
    for (const [name, value] of Object.entries(auth)) {
      if (value === null) expect(found[name]).toBeUndefined();
      else if (name === "last_close") expect(found[name]).toMatchObject(value as object);
      else expect(found[name]).toEqual(value);
    }
  }

  // -- what is to be seen

  async #expect(step: Step): Promise<void> {
    const { expect: what, within_ms = 0, for_ms = 0 } = step;
    switch (what) {
      case "connection":
        return this.#connection(step);
      case "no connection":
        await until(() => this.#world.connections.length > this.#looked, for_ms);
        return expect(this.#world.connections.length).toBe(this.#looked);
      case "frames": {
        const wanted = step.frames ?? [];
        const { heard } = this.#world.connection;
        await until(() => heard.length >= wanted.length, within_ms);
        this.#hear();
        return sameByRoom(heard.splice(0), wanted);
      }
      case "silence":
        await until(() => this.#world.connection.heard.length > 0, for_ms);
        return expect(this.#world.connection.heard).toEqual([]);
      case "sign of life": {
        const { signs } = this.#world.connection;
        return expect(await until(() => this.#world.connection.signs > signs, within_ms)).not.toBeNull();
      }
      case "shown": {
        const wanted = (step.notices ?? []).flatMap(spread);
        await until(() => this.#notices.length >= wanted.length, within_ms);
        return expect(this.#notices.splice(0).map(written)).toEqual(wanted);
      }
      case "result":
        return this.#result(step);
      case "state": {
        const state = this.#client.state.value;
        expect(state.name).toBe(step.state);
        if (step.code !== undefined && state.name === "stopped") {
          expect(typeof step.code === "number" ? state.reason.close?.code : state.reason.code).toBe(step.code);
        }
        return;
      }
      case "requests":
        return expect(this.#world.requests.splice(0)).toEqual(step.requests);
      case "positions":
        return expect(this.#client.positions?.at).toEqual(step.at);
      default:
        throw new Error("that cannot be expected");
    }
  }

  async #connection({ after_ms = [0, 0] }: Step): Promise<void> {
    const began = performance.now();
    await until(() => this.#world.connections.length > this.#looked, after_ms[1]);
    const connection = this.#world.connections[this.#looked];
    if (connection === undefined) throw new Error("it did not come");
    this.#looked += 1;
    expect(Math.round(connection.at - began)).toBeGreaterThanOrEqual(after_ms[0]);
  }

  async #result({ of = "", ack: wanted, refused, stopped, within_ms = 0 }: Step): Promise<void> {
    await until(() => this.#outcomes.get(of) !== null, within_ms);
    const found = this.#outcomes.get(of);
    if (wanted !== undefined) expect(found).toMatchObject(wanted);
    else if (refused === undefined && stopped === undefined) expect(found).toBeNull();
    else {
      expect(found).toBeInstanceOf(ParleyError);
      const error = found as ParleyError;
      expect(refused ?? stopped).toBe(refused === undefined ? (error.close?.code ?? 1000) : error.code);
    }
  }

  /** Notes which command carried what. */
  #hear(): void {
    for (const frame of this.#world.connection.heard) {
      this.#commands.set(String(frame["client_msg_id"] ?? frame["type"]), frame["id"] ?? null);
    }
  }
}

/** In one room in the order given, between rooms in any. */
function sameByRoom(found: Fields[], wanted: Fields[]): void {
  const sorted = (frames: Fields[]) =>
    frames
      .map((frame, index) => ({ frame, index }))
      .sort(
        (one, other) =>
          String(one.frame["room_id"]).localeCompare(String(other.frame["room_id"])) || one.index - other.index,
      );
  const [mine, theirs] = [sorted(found), sorted(wanted)];
  expect(mine.map(({ frame }) => frame["client_msg_id"] ?? frame["type"])).toEqual(
    theirs.map(({ frame }) => frame["client_msg_id"] ?? frame["type"]),
  );
  for (const [index, { frame }] of theirs.entries()) expect(mine[index]?.frame).toMatchObject(frame);
}

function spread(shown: Shown): Shown[] {
  const [stream, seqs] = shown;
  if (!Array.isArray(seqs)) return [shown];
  const [from, to] = seqs;
  return Array.from({ length: to - from + 1 }, (_, index) => [stream, from + index]);
}

function written(notice: Notice): Shown {
  if (notice.type === "event") return [notice.stream, notice.seq];
  return notice.type === "gone" ? ["gone", notice.stream] : ["resync", notice.stream, notice.head];
}
