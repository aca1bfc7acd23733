/** What a browser and its user have of the connection: hints, a panel that says how it stands, and facts without a seq. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { settle } from "../conformance/world.ts";
import { Browser, ROOM } from "./browser.ts";
import { ME } from "./fakes.ts";

class Page extends EventTarget {
  visibilityState = "visible";
}

let page: Page;
let frame: EventTarget;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  page = new Page();
  frame = new EventTarget();
  vi.stubGlobal("window", frame);
  vi.stubGlobal("document", page);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Lets time pass; the server keeps quiet. */
const pass = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms);
  await settle();
};

describe("hints", () => {
  test.each(["online", "visible"])("%s shortens the wait for the next attempt", async hint => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    void client.connect();
    for (const wait of [0, 250, 500, 1000, 2000, 4000]) {
      await pass(wait);
      browser.world(client).connection.close(1006);
      await settle();
    }
    const before = browser.world(client).connections.length;
    expect(client.state.value).toMatchObject({ name: "reconnecting", at: Date.now() + 8000 });
    if (hint === "online") frame.dispatchEvent(new Event("online"));
    else page.dispatchEvent(new Event("visibilitychange"));
    await pass(250);
    expect(browser.world(client).connections.length).toBe(before + 1);
  });

  test("a page that is hidden, and a network that goes, bring nobody back", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    browser.world(client).connection.close(1006);
    page.visibilityState = "hidden";
    page.dispatchEvent(new Event("visibilitychange"));
    frame.dispatchEvent(new Event("offline"));
    await pass(200);
    expect(browser.world(client).connections.length).toBe(1);
  });

  test("no hint shortens the window that the server named", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    browser.tell(client, { type: "reconnect", after_ms: 9000, reason: "restart" });
    browser.world(client).connection.close(4001);
    frame.dispatchEvent(new Event("online"));
    await pass(8900);
    expect(browser.world(client).connections.length).toBe(1);
    await pass(100);
    expect(browser.world(client).connections.length).toBe(2);
  });

  test.each(["offline", "online"])("after %s the peer has to show that it is there", async hint => {
    const browser = new Browser();
    const client = browser.tab();
    await browser.open(client);
    const { connection } = browser.world(client);
    const before = connection.signs;
    frame.dispatchEvent(new Event(hint));
    expect(connection.signs).toBe(before + 1);
    browser.tell(client, { type: "pong" });
    await pass(10_000);
    expect(client.state.value.name).toBe("live");
    frame.dispatchEvent(new Event(hint));
    await pass(4900);
    expect(client.state.value.name).toBe("live");
    await pass(200);
    expect(browser.world(client).connections.length).toBe(2);
    expect(client.details.lastClose).toEqual({
      code: 1006,
      reason: "nothing was heard for too long",
      connectionId: ME,
    });
  });

  test("a network that has gone is told of at once, and whatever comes through says that it has not", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    const since = Date.now();
    const states: object[] = [];
    client.state.subscribe(state => states.push(state));
    const [live, checking] = [
      { name: "live", since },
      { name: "live", since, checking: true },
    ];
    frame.dispatchEvent(new Event("offline"));
    frame.dispatchEvent(new Event("offline"));
    expect(states).toEqual([live, checking]);
    browser.tell(client, { type: "pong" });
    expect(states).toEqual([live, checking, live]);
    // A network that comes back, and a look at the page, raise no doubt.
    frame.dispatchEvent(new Event("online"));
    browser.tell(client, { type: "pong" });
    expect(states).toHaveLength(3);
    // Meanwhile one goes on: what is sent waits for its answer, and what comes counts.
    frame.dispatchEvent(new Event("offline"));
    void client.send(ROOM, "Is anybody there?");
    await settle();
    expect(browser.heard(client)).toEqual(["Is anybody there?"]);
    browser.tell(client, { type: "typing", room_id: ROOM, user_id: ME, for_ms: 6000 });
    expect(client.state.value).toEqual(live);
    await pass(1);
    frame.dispatchEvent(new Event("offline"));
    await pass(5000);
    expect(client.state.value.name).toBe("reconnecting");
  });

  test("what was on its way when the network went is no proof that it is there", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    vi.stubGlobal("navigator", { onLine: false });
    frame.dispatchEvent(new Event("offline"));
    browser.tell(client, { type: "pong" });
    await pass(5000);
    expect(client.state.value.name).toBe("live");
    await pass(5000);
    expect(client.state.value.name).toBe("reconnecting");
  });

  test("a peer that answers is believed, whatever the browser says", async () => {
    const browser = new Browser();
    const client = browser.tab();
    await browser.open(client);
    const { connection } = browser.world(client);
    vi.stubGlobal("navigator", { onLine: false });
    frame.dispatchEvent(new Event("offline"));
    const before = connection.signs;
    for (let time = 0; time < 4; time += 1) {
      await pass(1000);
      browser.tell(client, { type: "pong" });
      await pass(4000);
    }
    expect(connection.signs).toBe(before + 4);
    vi.stubGlobal("navigator", { onLine: true });
    browser.tell(client, { type: "pong" });
    await pass(20_000);
    expect(connection.signs).toBe(before + 4);
    expect(client.state.value).not.toHaveProperty("checking");
    expect(client.state.value.name).toBe("live");
  });

  test("who is closed hears no more of them", async () => {
    const browser = new Browser();
    const client = browser.tab();
    await browser.open(client);
    client.close();
    frame.dispatchEvent(new Event("online"));
    page.dispatchEvent(new Event("visibilitychange"));
    await pass(60_000);
    expect(browser.world(client).connections.length).toBe(1);
  });
});

describe("whoever does not want to wait", () => {
  test.each(["its own pause", "the window that the server named"])("ends %s", async pause => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    if (pause !== "its own pause") browser.tell(client, { type: "reconnect", after_ms: 9000, reason: "restart" });
    browser.world(client).connection.close(4001);
    expect(client.state.value.name).toBe("reconnecting");
    client.tryNow();
    await pass(0);
    expect(browser.world(client).connections.length).toBe(2);
    // The pause that was ended does not come to an end a second time.
    await pass(10_000);
    expect(browser.world(client).connections.length).toBe(2);
  });

  test("has one attempt for each time, and the pauses grow as ever", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 1 });
    await browser.open(client);
    browser.world(client).connection.close(1006);
    for (const wait of [250, 500, 1000]) {
      expect(client.state.value).toMatchObject({ name: "reconnecting", at: Date.now() + wait });
      const before = browser.world(client).connections.length;
      client.tryNow();
      client.tryNow();
      await pass(0);
      client.tryNow();
      expect(browser.world(client).connections.length).toBe(before + 1);
      browser.world(client).connection.close(1006);
      await settle();
    }
  });

  test("disturbs no connection, and begins none", async () => {
    const browser = new Browser();
    const client = browser.tab();
    client.tryNow();
    await pass(0);
    expect(client.state.value.name).toBe("idle");
    await browser.open(client);
    client.tryNow();
    await pass(0);
    expect(browser.world(client).connections.length).toBe(1);
    expect(client.state.value.name).toBe("live");
  });
});

describe("the panel", () => {
  test("says how the connection stands", async () => {
    const browser = new Browser();
    const client = browser.tab({ random: () => 0.5 });
    const states: string[] = [];
    client.state.subscribe(({ name }) => states.push(name));
    expect(client.details).toMatchObject({
      state: { name: "idle" },
      connectionId: null,
      rttMs: null,
      epoch: null,
      streams: [],
    });
    await browser.open(client);
    await pass(40);
    browser.tell(client, { type: "pong" });
    browser.tell(client, { type: "event", stream: `room:${ROOM}`, seq: 7, event: { kind: "test" } });
    client.send(ROOM, "waits");
    expect(client.details).toEqual({
      state: { name: "live", since: Date.now() - 40 },
      connectionId: ME,
      sessionId: ME,
      rttMs: 40,
      lastClose: null,
      epoch: "e1",
      streams: [
        { stream: `user:${ME}`, seq: 0, head: 0 },
        { stream: `room:${ROOM}`, seq: 7, head: 7 },
      ],
      unsent: 1,
    });
    browser.world(client).connection.close(4008, "you did not read");
    expect(client.details).toMatchObject({
      state: { name: "reconnecting", at: Date.now() + 125, attempt: 0 },
      connectionId: null,
      rttMs: null,
      lastClose: { code: 4008, reason: "you did not read", connectionId: ME },
    });
    await pass(125);
    browser.world(client).connection.close(1006);
    expect(client.details.lastClose).toEqual({ code: 1006, reason: "", connectionId: null });
    await pass(250);
    browser.world(client).connection.close(4503, "signed out");
    expect(client.details.state).toMatchObject({
      name: "stopped",
      reason: { close: { code: 4503, reason: "signed out" } },
    });
    expect(states).toEqual([
      "idle",
      "connecting",
      "live",
      "reconnecting",
      "connecting",
      "reconnecting",
      "connecting",
      "stopped",
    ]);
  });

  test("shows how far a replay has come", async () => {
    const browser = new Browser();
    const client = browser.tab({ positions: { epoch: "e1", at: { [`user:${ME}`]: 0, [`room:${ROOM}`]: 3 } } });
    void client.connect();
    await settle();
    const streams = { [`room:${ROOM}`]: { status: "recovered", head: 9 } };
    browser.tell(client, { type: "hello", heartbeat_ms: 25_000 });
    browser.tell(client, { type: "ready", id: 0, user: { id: ME }, session_id: ME, epoch: "e1", rooms: [], streams });
    browser.tell(client, { type: "event", stream: `room:${ROOM}`, seq: 4, event: { kind: "test" } });
    expect(client.details.streams).toContainEqual({ stream: `room:${ROOM}`, seq: 4, head: 9 });
    expect(client.positions?.at).toEqual({ [`user:${ME}`]: 0, [`room:${ROOM}`]: 4 });
  });
});

describe("facts without a seq", () => {
  test("are told by their kind", async () => {
    const browser = new Browser();
    const client = browser.tab();
    const heard: string[] = [];
    client.on("typing", ({ room_id, for_ms }) => heard.push(`typing ${room_id === ROOM} ${for_ms}`));
    client.on("receipt", ({ read_seq }) => heard.push(`read ${read_seq}`));
    client.on("presence", ({ status }) => heard.push(status));
    await browser.open(client);
    browser.tell(client, { type: "typing", room_id: ROOM, user_id: ME, for_ms: 6000 });
    browser.tell(client, { type: "receipt", room_id: ROOM, user_id: ME, delivered_seq: 4, read_seq: 3 });
    browser.tell(client, { type: "presence", user_id: ME, status: "away" });
    expect(heard).toEqual(["typing true 6000", "read 3", "away"]);
  });

  test("are sent while there is a connection; of positions the newest is kept until there is one", async () => {
    const browser = new Browser();
    const client = browser.tab();
    client.typing(ROOM);
    client.delivered(ROOM, 3);
    client.read(ROOM, 5);
    client.read(ROOM, 4);
    await browser.open(client);
    client.typing(ROOM, false);
    client.read(ROOM, 6);
    expect(browser.world(client).connection.heard).toEqual([
      { type: "read", room_id: ROOM, seq: 5 },
      { type: "typing", room_id: ROOM, on: false },
      { type: "read", room_id: ROOM, seq: 6 },
    ]);
  });

  test("who is watched is watched again after a break", async () => {
    const browser = new Browser();
    const client = browser.tab();
    await browser.open(client);
    const watching = client.watchPresence([ME]);
    await settle();
    const [asked] = browser.world(client).connection.heard.splice(0);
    expect(asked).toMatchObject({ type: "watch_presence", user_ids: [ME] });
    browser.tell(client, { type: "ack", id: asked?.["id"] });
    await watching;
    browser.world(client).connection.close(1006);
    await settle();
    await browser.open(client);
    expect(browser.world(client).connection.heard).toMatchObject([{ type: "watch_presence", user_ids: [ME] }]);
  });
});

describe("listeners", () => {
  test("one that fails is reported, and stops neither the others nor the events", async () => {
    const browser = new Browser();
    const client = browser.tab();
    const reported: unknown[] = [];
    const report = (error: unknown) => reported.push(error);
    process.prependOnceListener("uncaughtException", report);
    const others = process.listeners("uncaughtException").filter(listener => listener !== report);
    for (const other of others) process.removeListener("uncaughtException", other);
    const seen: number[] = [];
    client.on("event", ({ seq }) => {
      if (seq === 1) throw new Error("a bug of the application");
    });
    client.on("event", ({ seq }) => seen.push(seq));
    await browser.open(client);
    for (const seq of [1, 2])
      browser.tell(client, { type: "event", stream: `room:${ROOM}`, seq, event: { kind: "test" } });
    await settle();
    for (const other of others) process.on("uncaughtException", other);
    expect(seen).toEqual([1, 2]);
    expect(reported).toMatchObject([{ message: "a bug of the application" }]);
  });

  test("hear no more once they have said so, and the same one may listen twice", async () => {
    const browser = new Browser();
    const client = browser.tab();
    let count = 0;
    const listener = () => {
      count += 1;
    };
    const unsubscribe = client.on("live", listener);
    client.on("live", listener);
    await browser.open(client);
    expect(count).toBe(2);
    unsubscribe();
    browser.world(client).connection.close(1006);
    await settle();
    await browser.open(client);
    expect(count).toBe(3);
  });
});
