/** What the worker answers itself: the page where nobody else does, its parts always, and nothing else. */

import { beforeEach, expect, test, vi } from "vitest";
import { type Build, Keeper } from "../../src/worker/keeper.ts";

const ORIGIN = "https://chat.example";
const build: Build = {
  version: "2",
  entry: "/assets/index-2.js",
  parts: ["/assets/index-2.js", "/assets/room-2.js"],
  rare: ["/assets/emoji-2.json"],
  others: ["/icon.svg"],
};

/** As much of a browser's caches as the keeper uses. */
class Caches {
  readonly all = new Map<string, Map<string, Response>>();
  readonly #fetch: typeof fetch;

  constructor(fetcher: typeof fetch) {
    this.#fetch = fetcher;
  }

  async open(name: string) {
    const found = this.all.get(name) ?? new Map<string, Response>();
    this.all.set(name, found);
    return {
      match: async (request: string | Request) => found.get(path(request))?.clone(),
      put: async (request: string | Request, answer: Response) => void found.set(path(request), answer),
      addAll: async (names: string[]) => {
        for (const of of names) {
          const answer = await this.#fetch(of);
          if (!answer.ok) throw new TypeError(of);
          found.set(of, answer);
        }
      },
    };
  }

  async match(request: Request) {
    return [...this.all.values()].map(cache => cache.get(path(request))?.clone()).find(Boolean);
  }

  keys = async () => [...this.all.keys()];
  delete = async (name: string) => this.all.delete(name);
}

const path = (request: string | Request): string =>
  typeof request === "string" ? request : new URL(request.url).pathname;

/** A request as the browser makes it for a page, which a script cannot. */
function opening(at: string): Request {
  const request = new Request(ORIGIN + at);
  Object.defineProperty(request, "mode", { value: "navigate" });
  return request;
}

let network: (path: string) => Response | Promise<Response>;
let asked: string[] = [];
let caches: Caches;
let keeper: Keeper;

beforeEach(() => {
  asked = [];
  network = name => new Response(name === "/" ? '<script src="/assets/index-2.js">' : `network: ${name}`);
  const fetcher = (async (request: string | Request) => {
    asked.push(path(request));
    return network(path(request));
  }) as typeof fetch;
  caches = new Caches(fetcher);
  keeper = new Keeper(build, caches as unknown as CacheStorage, fetcher);
});

const offline = (): never => {
  throw new TypeError("offline");
};
const text = async (answer: Promise<Response> | null): Promise<string> => (await answer)?.text() ?? "";
const ask = (at: string, init?: RequestInit) => keeper.answer(new Request(ORIGIN + at, init), ORIGIN);

test("a page comes from the network as long as there is one, whatever is kept", async () => {
  await keeper.take();
  network = () => new Response("the next release");
  expect(await text(keeper.answer(opening("/rooms/7"), ORIGIN))).toBe("the next release");
  network = offline;
  expect(await text(keeper.answer(opening("/rooms/7"), ORIGIN))).toContain("index-2.js");
});

test.each([502, 503, 504])("a proxy that says %i has nobody behind it", async status => {
  await keeper.take();
  network = () => new Response("nobody", { status });
  expect(await text(keeper.answer(opening("/"), ORIGIN))).toContain("index-2.js");
});

test("what a server refuses or fails at is shown as it says it", async () => {
  await keeper.take();
  network = () => new Response("refused", { status: 403 });
  expect(await text(keeper.answer(opening("/"), ORIGIN))).toBe("refused");
});

test("a network that hangs is not waited for, unless there is nothing else", async () => {
  vi.useFakeTimers();
  try {
    let arrive = (_: Response): void => undefined;
    network = () =>
      new Promise(resolve => {
        arrive = resolve;
      });
    const first = text(keeper.answer(opening("/"), ORIGIN));
    await vi.advanceTimersByTimeAsync(60_000);
    arrive(new Response("late, and all there is"));
    expect(await first).toBe("late, and all there is");

    network = name => new Response(name === "/" ? build.entry : name);
    await keeper.take();
    network = () => new Promise(() => undefined);
    const second = text(keeper.answer(opening("/"), ORIGIN));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await second).toBe(build.entry);
  } finally {
    vi.useRealTimers();
  }
});

test("parts of the build are asked for once", async () => {
  await keeper.take();
  asked = [];
  expect(await text(ask("/assets/room-2.js"))).toBe("network: /assets/room-2.js");
  expect(asked).toEqual([]);
  // Large ones only when somebody wants them, and those of another build are its own affair.
  for (const name of ["/assets/emoji-2.json", "/assets/emoji-2.json", "/assets/room-3.js", "/assets/room-3.js"])
    expect(await text(ask(name))).toBe(`network: ${name}`);
  expect(asked).toEqual(["/assets/emoji-2.json", "/assets/room-3.js", "/assets/room-3.js"]);
});

test("calls, other hosts and what changes something are none of its business", async () => {
  await keeper.take();
  expect(ask("/api/v1/rooms")).toBeNull();
  expect(keeper.answer(opening("/api/v1/users/me/export"), ORIGIN)).toBeNull();
  expect(ask("/assets/room-2.js", { method: "HEAD" })).toBeNull();
  expect(ask("/healthz")).toBeNull();
  expect(keeper.answer(new Request("https://elsewhere.example/assets/room-2.js"), ORIGIN)).toBeNull();
});

test("a page of another build is not kept: there would be no parts for it", async () => {
  network = name => new Response(name === "/" ? '<script src="/assets/index-1.js">' : "part");
  await expect(keeper.take()).rejects.toThrow("another build");
  expect(caches.all.size).toBe(0);
});

test("the build before stays for pages that are still open, older ones go", async () => {
  for (const name of ["other", "parley-0", "parley-1"]) await caches.open(name);
  await keeper.take();
  await keeper.tidy();
  expect([...caches.all.keys()]).toEqual(["other", "parley-1", "parley-2"]);
  // Also when one has gone back to a release that was kept already.
  const back = new Keeper({ ...build, version: "1" }, caches as unknown as CacheStorage, fetch);
  await back.tidy();
  expect([...caches.all.keys()]).toEqual(["other", "parley-1", "parley-2"]);
});
