/** The outbox beyond what every SDK has: it survives a reload, and tabs share it without sending anything twice. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Client, MemoryOutbox, MemoryTokens, type StoredEntry } from "../../src/index.ts";
import { settle } from "../conformance/world.ts";
import { Browser, ROOM } from "./browser.ts";
import { tokens } from "./fakes.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const bodies = (client: Client) => client.outbox.entries.value.map(({ body, state }) => `${body} ${state}`);

describe("a reload", () => {
  test("what was not committed is sent by the next run, in order and under the same keys", async () => {
    const browser = new Browser();
    const first = browser.tab();
    await browser.open(first);
    for (const body of ["a", "b", "c"]) first.send(ROOM, { body, client_msg_id: `key ${body}` });
    await settle();
    expect(browser.heard(first)).toEqual(["a"]);
    await browser.vanish(first);
    const second = browser.tab();
    await browser.open(second);
    expect(bodies(second)).toEqual(["a sending", "b waiting", "c waiting"]);
    expect(browser.heard(second)).toEqual(["a"]);
    expect(browser.sent).toEqual(["key a", "key a"]);
  });

  test("what is written right after it does not overtake what was left", async () => {
    const browser = new Browser();
    const first = browser.tab();
    first.send(ROOM, "old 1");
    first.send(ROOM, "old 2");
    await settle();
    await browser.vanish(first);
    const second = browser.tab();
    second.send(ROOM, "new");
    await browser.open(second);
    expect(await browser.acknowledge(second)).toEqual(["old 1", "old 2", "new"]);
    expect(browser.storage.load()).toEqual([]);
  });

  test("a refusal survives it, and is tried again or removed as one likes", async () => {
    const browser = new Browser();
    const first = browser.tab();
    await browser.open(first);
    first.send(ROOM, { body: "a", client_msg_id: "key a" });
    first.send(ROOM, { body: "b", client_msg_id: "key b" });
    for (const code of ["muted", "forbidden"]) {
      await settle();
      const [frame] = browser.world(first).connection.heard.splice(0);
      browser.tell(first, { type: "error", id: frame?.["id"], code, detail: "No." });
    }
    await settle();
    expect(bodies(first)).toEqual(["a refused", "b refused"]);
    await browser.vanish(first);
    const second = browser.tab();
    await browser.open(second);
    expect(second.outbox.entries.value.map(({ refusal }) => refusal?.code)).toEqual(["muted", "forbidden"]);
    expect(second.outbox.remove("key a")).toBe(true);
    void second.outbox.retry("key b");
    expect(await browser.acknowledge(second)).toEqual(["b"]);
    expect(browser.storage.load()).toEqual([]);
    expect(second.outbox.entries.value).toEqual([]);
  });

  test("nobody sends what somebody else has written", async () => {
    const browser = new Browser();
    const first = browser.tab();
    first.send(ROOM, "of the first user");
    await settle();
    await browser.vanish(first);
    const other = browser.tab({ tokens: new MemoryTokens({ ...tokens(600), user_id: "somebody else" }) });
    await browser.open(other);
    expect(await browser.acknowledge(other)).toEqual([]);
    expect(browser.storage.load()).toHaveLength(1);
  });
});

describe("two tabs", () => {
  test("each sends what was written in it", async () => {
    const browser = new Browser();
    const [one, other] = [browser.tab(), browser.tab()];
    await browser.open(one);
    await browser.open(other);
    one.send(ROOM, "from one");
    other.send(ROOM, "from the other");
    await settle();
    expect(browser.heard(one)).toEqual(["from one"]);
    expect(browser.heard(other)).toEqual(["from the other"]);
  });

  test("what a tab that lives has not sent is left to it", async () => {
    const browser = new Browser();
    const one = browser.tab();
    one.send(ROOM, "still mine");
    await settle();
    const other = browser.tab();
    await browser.open(other);
    expect(await browser.acknowledge(other)).toEqual([]);
    await browser.open(one);
    expect(await browser.acknowledge(one)).toEqual(["still mine"]);
  });

  test("what a closed tab has left is sent by one of the others, at its next connection", async () => {
    const browser = new Browser();
    const [one, two, three] = [browser.tab(), browser.tab(), browser.tab()];
    await browser.open(two);
    await browser.open(three);
    one.send(ROOM, "left behind");
    await settle();
    await browser.vanish(one);
    for (const tab of [two, three]) browser.world(tab).connection.close(1006);
    await Promise.all([browser.open(two), browser.open(three)]);
    const sent = [...(await browser.acknowledge(two)), ...(await browser.acknowledge(three))];
    expect(sent).toEqual(["left behind"]);
  });
});

describe("the entries", () => {
  test("show what waits for a limit, which may be taken back until it is sent again", async () => {
    const browser = new Browser();
    const tab = browser.tab();
    await browser.open(tab);
    const taken = tab.send(ROOM, { body: "a", client_msg_id: "key a" });
    tab.send(ROOM, "b");
    await settle();
    expect(tab.outbox.remove("key a")).toBe(false);
    const [frame] = browser.world(tab).connection.heard.splice(0);
    browser.tell(tab, {
      type: "error",
      id: frame?.["id"],
      code: "rate_limited",
      detail: "Slowly.",
      retry_after_ms: 5000,
    });
    await settle();
    const [first] = tab.outbox.entries.value;
    expect(first).toMatchObject({ state: "waiting", retry_at: Date.now() + 5010 });
    expect(tab.outbox.remove("key a")).toBe(true);
    await expect(taken).rejects.toMatchObject({ code: "removed" });
    expect(await browser.acknowledge(tab)).toEqual(["b"]);
  });

  test("one whose fate nobody knows cannot be taken back", async () => {
    const browser = new Browser();
    const tab = browser.tab();
    await browser.open(tab);
    tab.send(ROOM, { body: "a", client_msg_id: "key a" });
    await settle();
    browser.world(tab).connection.close(1006);
    expect(bodies(tab)).toEqual(["a sending"]);
    await settle();
    expect(bodies(tab)).toEqual(["a waiting"]);
    expect(tab.outbox.remove("key a")).toBe(false);
    expect(tab.outbox.remove("nothing")).toBe(false);
  });

  test("a key that was taken is replaced when one tries again", async () => {
    const browser = new Browser();
    const tab = browser.tab();
    await browser.open(tab);
    tab.send(ROOM, { body: "a", client_msg_id: "key a", format: "plain" });
    await settle();
    const [frame] = browser.world(tab).connection.heard.splice(0);
    browser.tell(tab, { type: "error", id: frame?.["id"], code: "idempotency_mismatch", detail: "Taken." });
    await settle();
    void tab.outbox.retry("key a");
    await settle();
    const [again] = browser.world(tab).connection.heard.splice(0);
    expect(again).toMatchObject({ body: "a", format: "plain" });
    expect(again?.["client_msg_id"]).not.toBe("key a");
    expect(tab.outbox.retry("key a")).toBeNull();
  });

  test("tell what was sent with its ack", async () => {
    const browser = new Browser();
    const tab = browser.tab();
    await browser.open(tab);
    const told: unknown[] = [];
    tab.on("sent", ({ entry, ack }) => told.push([entry.client_msg_id, ack.seq]));
    tab.send(ROOM, { body: "a", client_msg_id: "key a" });
    await browser.acknowledge(tab);
    expect(told).toEqual([["key a", 1]]);
  });
});

describe("a storage that fails", () => {
  class Broken extends MemoryOutbox {
    override load(): StoredEntry[] {
      throw new Error("no such database");
    }
    override save(): void {
      throw new Error("the disk is full");
    }
    override remove(): void {
      throw new Error("read only");
    }
  }

  test("costs the survival of a reload, and says so", async () => {
    const browser = new Browser();
    const tab = browser.tab({ outbox: new Broken() });
    const failures: string[] = [];
    tab.on("storageFailed", error => failures.push((error as Error).message));
    await browser.open(tab);
    const sending = tab.send(ROOM, "a");
    expect(await browser.acknowledge(tab)).toEqual(["a"]);
    expect((await sending).seq).toBe(1);
    expect(new Set(failures)).toEqual(new Set(["no such database", "the disk is full", "read only"]));
  });

  test("a message is sent only once it is kept", async () => {
    const browser = new Browser();
    let keep = (): void => undefined;
    class Slow extends MemoryOutbox {
      override save(entry: StoredEntry): Promise<void> {
        return new Promise(resolve => {
          keep = () => resolve(super.save(entry));
        });
      }
    }
    const tab = browser.tab({ outbox: new Slow() });
    await browser.open(tab);
    tab.send(ROOM, "a");
    browser.world(tab).connection.close(1006);
    await settle();
    await browser.open(tab);
    expect(browser.heard(tab)).toEqual([]);
    keep();
    await settle();
    expect(browser.heard(tab)).toEqual(["a"]);
  });
});
