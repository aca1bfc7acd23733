/** The SDK through real gateways. tests/integration/test_typescript.py starts the suite, and kills what these tests ask it to. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Client, type ClientOptions, each, MemoryOutbox, MemoryTokens, type MyRoom } from "../../src/index.ts";
import { Entrance } from "./entrance.ts";

const URLS = String(process.env["PARLEY_URLS"]).split(",");
const CONTROL = String(process.env["PARLEY_CONTROL"]);

let entrance: Entrance;
const clients: Client[] = [];

/** Alice and Bob, signed in once; each test has clients of its own. */
const people: MemoryTokens[] = [];

beforeAll(async () => {
  entrance = await new Entrance(URLS).start();
  people.push(await newcomer(), await newcomer());
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  entrance.shut = false;
});

afterAll(() => entrance.close());

const kill = async (what: string) =>
  expect((await fetch(`${CONTROL}/kill/${what}`, { method: "POST" })).status).toBe(204);

const someone = () => ({ username: `t${crypto.randomUUID().slice(0, 12)}`, password: "a long passphrase of somebody" });

function client(options: ClientOptions = {}): Client {
  const made = new Client({ url: entrance.url, ...options });
  clients.push(made);
  return made;
}

/** Somebody new, who is signed in. */
async function newcomer(): Promise<MemoryTokens> {
  const tokens = new MemoryTokens();
  await client({ tokens }).register(someone());
  return tokens;
}

const couple = (options: ClientOptions = {}): [Client, Client] => {
  const [alice, bob] = people as [MemoryTokens, MemoryTokens];
  return [client({ tokens: alice, ...options }), client({ tokens: bob })];
};

async function room(owner: Client, ...others: Client[]): Promise<MyRoom> {
  const made = await owner.api.rooms.create({ name: "A room", visibility: "public" });
  for (const other of others) await other.api.rooms.join(made.id);
  return made;
}

/** What somebody is shown of a room. */
function listen(who: Client, where: MyRoom) {
  const found = { bodies: [] as string[], seqs: [] as number[], resyncs: 0 };
  who.on("event", ({ stream, seq, event }) => {
    if (stream !== `room:${where.id}`) return;
    found.seqs.push(seq);
    if (event.kind === "message.created") found.bodies.push(event.message.body ?? "");
  });
  who.on("resync", () => {
    found.resyncs += 1;
  });
  return found;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 10));
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => `${number}`);

test("two people talk through two gateways", async () => {
  const [alice, bob] = [0, 1].map(number =>
    client({ url: URLS[number] ?? "", tokens: people[number] as MemoryTokens }),
  ) as [Client, Client];
  const kitchen = await room(alice, bob);
  const shown = listen(bob, kitchen);
  await bob.connect();
  const acks = await Promise.all(numbers(20).map(body => alice.send(kitchen.id, body)));
  await until(() => shown.bodies.length === 20);
  expect(shown.bodies).toEqual(numbers(20));
  expect(shown.seqs).toEqual(acks.map(({ seq }) => seq));
  const page = await bob.api.messages.page(kitchen.id, { limit: 200 });
  expect(page.items.map(({ body }) => body)).toEqual(numbers(20));
  const [first] = page.items;
  await bob.api.messages.react(kitchen.id, first?.id ?? "", "👍");
  expect((await alice.api.messages.get(kitchen.id, first?.id ?? "")).reactions).toMatchObject([
    { reaction: "👍", count: 1 },
  ]);
  const mine: string[] = [];
  for await (const { id } of each(of => bob.api.rooms.list({ ...of, limit: 1 }))) mine.push(id);
  expect(mine).toContain(kitchen.id);
});

test("what is missed behind a cut connection is shown once and in order", async () => {
  const [alice, bob] = couple();
  const kitchen = await room(alice, bob);
  const shown = listen(bob, kitchen);
  await Promise.all([alice.connect(), bob.connect()]);
  const sends = [];
  for (const body of numbers(60)) {
    sends.push(alice.send(kitchen.id, body));
    if (Number(body) % 20 === 10) {
      await sends.at(-3);
      entrance.cut();
    }
  }
  const acks = await Promise.all(sends);
  await until(() => shown.bodies.length >= 60 && bob.state.value.name === "live");
  expect(shown.bodies).toEqual(numbers(60));
  expect(shown.seqs).toEqual(acks.map(({ seq }) => seq));
  expect(shown.resyncs).toBe(0);
  expect(bob.details.lastClose).toMatchObject({ code: 1006 });
});

test("what is sent without a connection goes once there is one", async () => {
  const [alice, bob] = couple();
  const rooms = [await room(alice, bob), await room(alice, bob)];
  await alice.connect();
  entrance.shut = true;
  entrance.cut();
  await until(() => alice.state.value.name === "reconnecting");
  const sends = numbers(20).flatMap(body => rooms.map(({ id }) => alice.send(id, body)));
  expect(alice.outbox.waiting).toBe(40);
  entrance.shut = false;
  await Promise.all(sends);
  for (const { id } of rooms) {
    const page = await bob.api.messages.page(id, { limit: 200 });
    expect(page.items.map(({ body }) => body)).toEqual(numbers(20));
  }
  expect(alice.outbox.entries.value).toEqual([]);
});

test("positions take another client further", async () => {
  const [alice, bob] = couple();
  const kitchen = await room(alice, bob);
  await bob.connect();
  const positions = bob.positions;
  bob.close();
  for (const body of numbers(3)) await alice.send(kitchen.id, body);
  const again = client({ tokens: people[1] as MemoryTokens, ...(positions === null ? {} : { positions }) });
  const shown = listen(again, kitchen);
  await again.connect();
  expect(shown.bodies).toEqual(numbers(3));
});

test("who comes and goes, types and reads is told", async () => {
  const [alice, bob] = couple();
  const kitchen = await room(alice, bob);
  const me = await bob.api.users.me();
  const heard = new Set<string>();
  alice.on("presence", ({ status }) => heard.add(status));
  alice.on("typing", ({ user_id }) => heard.add(`typing ${user_id === me.id}`));
  alice.on("receipt", ({ user_id, read_seq }) => heard.add(`read ${user_id === me.id} ${read_seq}`));
  await alice.watchPresence([me.id]);
  await bob.connect();
  const { seq } = await alice.send(kitchen.id, "Hello!");
  bob.typing(kitchen.id);
  bob.read(kitchen.id, seq);
  await until(() => heard.has("online") && heard.has("typing true") && heard.has(`read true ${seq}`));
});

test("a browser's session is a cookie that survives a reload and ends with a logout", async () => {
  const jar = new Map<string, string>();
  /** As a browser does it: cookies come and go by themselves, and an Origin is sent. */
  const browse: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    headers.set("origin", entrance.url);
    const response = await fetch(input, { ...init, headers });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value && !/max-age=0/i.test(cookie)) jar.set(name, value);
      else jar.delete(name);
    }
    return response;
  };
  const options = { cookies: true, fetch: browse };
  expect(await client(options).restore()).toBe(false);
  const alice = client(options);
  const me = await alice.register(someone());
  expect([...jar.keys()]).toContain("parley_refresh");
  const reloaded = client(options);
  expect(await reloaded.restore()).toBe(true);
  expect((await reloaded.api.users.me()).id).toBe(me.id);
  await reloaded.connect();
  await reloaded.logout();
  expect(await client(options).restore()).toBe(false);
});

test("a session that is ended elsewhere stops the client for good", async () => {
  const alice = client({ tokens: await newcomer() });
  await alice.connect();
  const { items } = await alice.api.accounts.sessions();
  await alice.api.accounts.endSession(items.find(({ current }) => current)?.id ?? "");
  await until(() => alice.state.value.name === "stopped");
  expect(alice.details.lastClose).toMatchObject({ code: 4503 });
  await expect(alice.connect()).rejects.toMatchObject({ code: "stopped", close: { code: 4503 } });
});

test("what is refused has its code", async () => {
  const [alice] = couple();
  const kitchen = await room(alice);
  await alice.send(kitchen.id, { body: "once", client_msg_id: "key" });
  await expect(alice.send(kitchen.id, { body: "twice", client_msg_id: "key" })).rejects.toMatchObject({
    code: "idempotency_mismatch",
  });
  await expect(alice.api.rooms.update(kitchen.id, { rev: 7, topic: "x" })).rejects.toMatchObject({
    code: "rev_conflict",
    status: 409,
    current: { id: kitchen.id },
  });
  await expect(alice.api.messages.page(crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
});

// Last, since whatever comes after would have to wait until everything is there again.

test("a killed gateway costs neither a message nor its place", async () => {
  const [alice, bob] = couple();
  const kitchen = await room(alice, bob);
  const shown = listen(bob, kitchen);
  await Promise.all([alice.connect(), bob.connect()]);
  const sends = numbers(50).map(body => alice.send(kitchen.id, body));
  await sends[20];
  await kill("gateway/0");
  const acks = await Promise.all(sends);
  await until(() => shown.bodies.length >= 50);
  expect(shown.bodies).toEqual(numbers(50));
  expect(shown.seqs).toEqual(acks.map(({ seq }) => seq));
  expect(shown.resyncs).toBe(0);
});

test("an outbox outlasts a restart of messages, and a reload in the middle of it", async () => {
  const storage = new MemoryOutbox();
  const [alice, bob] = couple({ outbox: storage });
  const kitchen = await room(alice, bob);
  await alice.connect();
  await kill("messages/0");
  await kill("messages/1");
  const sends = numbers(20).map(body => alice.send(kitchen.id, body));
  const stopped = Promise.allSettled(sends);
  await sends[5];
  alice.close();
  await stopped;
  const reloaded = client({ outbox: storage, tokens: people[0] as MemoryTokens });
  expect(await reloaded.restore()).toBe(true);
  await reloaded.connect();
  await reloaded.send(kitchen.id, "after the reload");
  const page = await bob.api.messages.page(kitchen.id, { limit: 200 });
  expect(page.items.map(({ body }) => body)).toEqual([...numbers(20), "after the reload"]);
  expect(storage.load()).toEqual([]);
});
