/** There is a method for every call of the OpenAPI document, and its types are those of the document. */

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { type DirectoryRoom, each, type Image, type MyRoom, ParleyError } from "../../src/index.ts";
import { problem, Server } from "./fakes.ts";

const GENERATED = new URL("../../src/generated/protocol.gen.ts", import.meta.url);
/** Signing in and out, and refreshing, are the session's. */
const OF_THE_SESSION = ["POST /auth/token", "POST /auth/refresh", "POST /auth/logout"];

function documented(): string[] {
  const calls: string[] = [];
  let path = "";
  const text = readFileSync(GENERATED, "utf8");
  for (const line of text.slice(0, text.indexOf("export type webhooks")).split("\n")) {
    path = /^ {4}"(\/[^"]*)": \{/.exec(line)?.[1] ?? path;
    const method = /^ {8}(\w+): operations\[/.exec(line)?.[1];
    if (method !== undefined) calls.push(`${method.toUpperCase()} ${path}`);
  }
  return calls;
}

/** Arguments where ids would not do. */
const ARGUMENTS: Record<string, unknown[][]> = {
  "users.byIds": [[["a", "b"]]],
  "users.erasure": [["a"], ["a", "code"]],
  "presence.get": [[["a", "b"]]],
  "rooms.direct": [[["a", "b"]]],
  "sync.events": [
    ["room:a", 1],
    ["user:a", 1],
  ],
  "media.upload": [[new Blob(["x"])]],
  "admin.checkMedia": [[{}]],
  "media.get": [["a"], ["a", 320]],
};

describe("calls", () => {
  test("every call of the document has a method", async () => {
    const server = new Server();
    server.respond = () => Response.json({ items: [] });
    const { api } = server.client();
    for (const [group, methods] of Object.entries(api)) {
      for (const [name, method] of Object.entries(methods as Record<string, (...given: unknown[]) => unknown>)) {
        for (const given of ARGUMENTS[`${group}.${name}`] ?? [["a", "b", "c", "d"]]) {
          const found = method(...given);
          if (name === "exportMe") await (found as AsyncGenerator).next().catch(() => undefined);
          else await found;
        }
      }
    }
    const asked = new Set(server.paths);
    const missing = documented().filter(call => {
      const pattern = new RegExp(`^${call.replace(/\{\w+\}/g, "[^/]+")}$`);
      return !OF_THE_SESSION.includes(call) && ![...asked].some(path => pattern.test(path));
    });
    expect(missing).toEqual([]);
    expect(documented().length).toBeGreaterThan(70);
  });

  test("ids and emoji are escaped in paths, and what is not given is left out of queries", async () => {
    const server = new Server();
    server.respond = () => new Response(null, { status: 204 });
    const { api } = server.client();
    await api.messages.react("r", "m/..", "👍🏽");
    await api.rooms.directory(undefined, { limit: 5 });
    expect(server.asked[0]?.path).toBe(`/api/v1/rooms/r/messages/m%2F../reactions/${encodeURIComponent("👍🏽")}`);
    expect(String(server.asked[1]?.query)).toBe("limit=5");
  });

  test("a page after the other, as long as there is one", async () => {
    const server = new Server();
    const pages = [
      { items: [1, 2], next: "x" },
      { items: [], next: "y" },
      { items: [3], next: null },
    ];
    server.respond = ({ query }) =>
      Response.json(pages[query.get("cursor") === null ? 0 : query.get("cursor") === "x" ? 1 : 2]);
    const found: unknown[] = [];
    for await (const room of each(of => server.client().api.rooms.list(of))) found.push(room);
    expect(found).toEqual([1, 2, 3]);
  });

  test("types are those of the document", () => {
    const { api } = new Server().client();
    expectTypeOf(api.rooms.create).returns.resolves.toEqualTypeOf<MyRoom>();
    expectTypeOf(api.rooms.get).returns.resolves.toEqualTypeOf<MyRoom | DirectoryRoom>();
    expectTypeOf(api.rooms.delete).returns.resolves.toEqualTypeOf<undefined>();
    expectTypeOf(api.media.upload).returns.resolves.toEqualTypeOf<Image>();
    expectTypeOf(api.rooms.create).parameter(0).toHaveProperty("name").toEqualTypeOf<string>();
    // @ts-expect-error — there is no such field
    expectTypeOf<Parameters<typeof api.rooms.create>[0]>().toHaveProperty("nam");
    // @ts-expect-error — there is no such role
    expectTypeOf<"king">().toMatchTypeOf<Parameters<typeof api.rooms.setRole>[2]>();
  });
});

describe("an export", () => {
  const FILE = '{"type":"header"}\n{"type":"message","body":"ä \\n"}\n{"type":"end","lines":2}\n';
  const bytes = new TextEncoder().encode(FILE);
  const cut = (...at: number[]) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        [0, ...at].forEach((from, index) => {
          controller.enqueue(bytes.slice(from, at[index] ?? bytes.length));
        });
        controller.close();
      },
    });
  const taken = async (body: BodyInit) => {
    const server = new Server();
    server.respond = () => new Response(body);
    const found: string[] = [];
    for await (const line of server.client().api.users.exportMe()) found.push(line.type);
    return found;
  };

  test("comes in lines however the answer was cut", async () => {
    for (let at = 1; at < bytes.length; at += 1) expect(await taken(cut(at))).toEqual(["header", "message", "end"]);
    expect(await taken(cut(...Array.from({ length: bytes.length - 1 }, (_, index) => index + 1)))).toHaveLength(3);
  });

  test.each([0, 10, 18, FILE.length - 1])(
    "that does not reach its end is said to be cut off, after %i",
    async length => {
      await expect(taken(FILE.slice(0, length))).rejects.toMatchObject({ code: "incomplete" });
    },
  );

  test("whose end counts other lines has none", async () => {
    await expect(taken(FILE.replace('"lines":2', '"lines":3'))).rejects.toMatchObject({ code: "incomplete" });
  });
});

describe("images", () => {
  /** As much of XMLHttpRequest as an upload needs. */
  class FakeRequest {
    static sent: FakeRequest[] = [];
    static token = "Bearer a0";
    status = 0;
    responseText = "";
    withCredentials = false;
    headers: Record<string, string> = {};
    aborted = false;
    upload: { onprogress?: (event: object) => void } = {};
    onload = (): void => undefined;
    onerror = (): void => undefined;
    onloadend = (): void => undefined;
    open(): void {}
    setRequestHeader(name: string, value: string): void {
      this.headers[name] = value;
    }
    send(): void {
      FakeRequest.sent.push(this);
      const known = this.headers["Authorization"] === FakeRequest.token;
      if (!known) queueMicrotask(() => this.answer(401, { code: "token_expired", detail: "Old." }));
    }
    abort(): void {
      this.aborted = true;
      this.onloadend();
    }
    answer(status: number, body: unknown): void {
      this.status = status;
      this.responseText = typeof body === "string" ? body : JSON.stringify(body);
      this.onload();
      this.onloadend();
    }
  }

  afterEach(() => {
    vi.unstubAllGlobals();
    FakeRequest.sent = [];
    FakeRequest.token = "Bearer a0";
  });

  const start = async (options = {}) => {
    vi.stubGlobal("XMLHttpRequest", FakeRequest);
    const uploading = new Server().client().api.media.upload(new Blob(["x"]), options);
    uploading.catch(() => undefined);
    await new Promise(resolve => setTimeout(resolve, 5));
    return { uploading, request: FakeRequest.sent.at(-1) as FakeRequest };
  };

  test("an upload tells how far it has come", async () => {
    const shares: number[] = [];
    const { uploading, request } = await start({ onProgress: (share: number) => shares.push(share) });
    request.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 4 });
    request.upload.onprogress?.({ lengthComputable: false, loaded: 2, total: 0 });
    request.upload.onprogress?.({ lengthComputable: true, loaded: 4, total: 4 });
    request.answer(201, { id: "image" });
    expect(await uploading).toEqual({ id: "image" });
    expect(shares).toEqual([0.25, 1]);
  });

  test("an upload may be taken back", async () => {
    const taking = new AbortController();
    const { uploading, request } = await start({ signal: taking.signal });
    taking.abort(new Error("not this one"));
    await expect(uploading).rejects.toThrow("not this one");
    expect(request.aborted).toBe(true);
    await expect((await start({ signal: taking.signal })).uploading).rejects.toThrow("not this one");
  });

  test("what is refused is refused with its code", async () => {
    const { uploading, request } = await start();
    request.answer(413, { code: "too_large", detail: "Too large." });
    await expect(uploading).rejects.toMatchObject({ code: "too_large", status: 413 });
    const other = await start();
    other.request.answer(201, "<html>");
    await expect(other.uploading).rejects.toMatchObject({ code: "not_parley" });
    const broken = await start();
    broken.request.onerror();
    await expect(broken.uploading).rejects.toMatchObject({ code: "unreachable" });
  });

  test("a token that has run out is renewed, and the upload repeated", async () => {
    FakeRequest.token = "Bearer a1";
    const { uploading, request } = await start();
    expect(FakeRequest.sent).toHaveLength(2);
    request.answer(201, { id: "image" });
    expect(await uploading).toEqual({ id: "image" });
  });

  test("without XMLHttpRequest it goes by fetch", async () => {
    const server = new Server();
    server.respond = ({ path, body }) =>
      path === "/api/v1/media" && body === "form" ? Response.json({ id: "i" }) : problem(404, "x");
    expect(await server.client().api.media.upload(new File(["x"], "cat.png"))).toEqual({ id: "i" });
  });

  test("have an address, and bytes", async () => {
    const server = new Server();
    server.respond = ({ path }) => new Response(path);
    const { api } = server.client();
    expect(api.media.url("a", 320)).toBe("http://parley.example/api/v1/media/a/thumbnails/320");
    expect(await (await api.media.get("a")).text()).toBe("/api/v1/media/a");
    server.respond = () => problem(404, "not_found");
    await expect(api.media.get("a")).rejects.toBeInstanceOf(ParleyError);
  });
});
