/** Calls: errors by code, and a token that renews itself once for all who need it. */

import { describe, expect, test, vi } from "vitest";
import { MemoryTokens, ParleyError, type Tokens } from "../../src/index.ts";
import { pair, problem, Server, tokens } from "./fakes.ts";

const refused = async (work: Promise<unknown>): Promise<ParleyError> => {
  const error = await work.then(
    () => null,
    found => found,
  );
  expect(error).toBeInstanceOf(ParleyError);
  return error as ParleyError;
};

describe("with tokens of its own", () => {
  test("many calls renew an old token once", async () => {
    const server = new Server();
    const client = server.client({ tokens: new MemoryTokens(tokens(5)) });
    await Promise.all(Array.from({ length: 20 }, () => client.api.rooms.list()));
    expect(server.refreshes).toBe(1);
  });

  test("a token refused before its time is renewed, and the call repeated once", async () => {
    const server = new Server();
    server.number = 1;
    const store = new MemoryTokens({ ...tokens(600), refresh_token: "r1" });
    const client = server.client({ tokens: store });
    await Promise.all(Array.from({ length: 5 }, () => client.api.rooms.list()));
    expect(server.refreshes).toBe(1);
    expect(store.load()).toMatchObject({ access_token: "a2", refresh_token: "r2" });
  });

  test("a call that no token contents is refused after the second try", async () => {
    const server = new Server();
    server.respond = () => problem(401, "bad_token");
    expect((await refused(server.client().api.users.me())).code).toBe("bad_token");
    expect(server.paths).toEqual(["GET /users/me", "POST /auth/refresh", "GET /users/me"]);
  });

  test("a wrong password is not tried twice", async () => {
    const server = new Server();
    server.respond = () => problem(401, "bad_credentials");
    const client = server.client();
    expect((await refused(client.api.accounts.changePassword("wrong", "new"))).code).toBe("bad_credentials");
    expect(server.paths).toEqual(["POST /auth/password"]);
  });

  test("a session that is over is told once, and its tokens are forgotten", async () => {
    const server = new Server();
    server.number = 7;
    const store = new MemoryTokens(tokens(0));
    const client = server.client({ tokens: store });
    const heard: string[] = [];
    client.on("signedOut", error => heard.push(error.code));
    expect(await refused(client.api.rooms.list())).toMatchObject({ status: 401, code: "bad_token" });
    expect(await refused(client.api.rooms.list())).toMatchObject({ status: 401, code: "unauthenticated" });
    expect(heard).toEqual(["bad_token"]);
    expect(store.load()).toBeNull();
  });

  test("what another program has renewed is found in the store", async () => {
    const server = new Server();
    const store = new MemoryTokens(tokens(600));
    const client = server.client({ tokens: store });
    await client.api.rooms.list();
    server.number = 3;
    store.save(tokens(600, 3));
    await client.api.rooms.list();
    expect(server.refreshes).toBe(0);
  });

  test("without tokens everything says so", async () => {
    const server = new Server();
    const client = server.client({ tokens: new MemoryTokens() });
    expect(await client.restore()).toBe(false);
    for (const use of [client.connect(), client.send("r", "x"), client.api.users.me()]) {
      expect((await refused(use)).code).toBe("unauthenticated");
    }
    expect(server.asked).toEqual([]);
  });

  test("a program signs in with the password form, and out again", async () => {
    const server = new Server();
    server.respond = ({ path }) =>
      path.endsWith("/logout") ? new Response(null, { status: 204 }) : pair(0, { refresh_token: "r0" });
    const store = new MemoryTokens();
    const client = server.client({ tokens: store });
    await client.login("alice", "a passphrase & more");
    expect(server.asked[0]?.body).toBe("username=alice&password=a+passphrase+%26+more");
    expect(store.load()).toMatchObject({ access_token: "a0", refresh_token: "r0" });
    await client.logout();
    expect(server.asked[1]?.body).toBe('{"refresh_token":"r0"}');
    expect(store.load()).toBeNull();
    expect(client.state.value.name).toBe("stopped");
  });

  test("a store may take its time", async () => {
    const server = new Server();
    let kept: Tokens | null = tokens(5);
    const slowly = <T>(value: T) => new Promise<T>(resolve => setTimeout(() => resolve(value), 1));
    const save = (given: Tokens | null) => {
      kept = given;
      return slowly(undefined);
    };
    const store = { load: () => slowly(kept), save };
    const client = server.client({ tokens: store });
    await Promise.all([client.api.rooms.list(), client.api.rooms.list()]);
    expect(server.refreshes).toBe(1);
    expect(kept).toMatchObject({ access_token: "a1" });
  });
});

describe("with cookies", () => {
  test("the refresh token is seen by nobody, and a reload finds the session", async () => {
    const server = new Server();
    const fetched: RequestInit[] = [];
    const client = server.client({
      cookies: true,
      fetch: (input, init) => {
        fetched.push(init ?? {});
        return server.fetch(input, init);
      },
    });
    expect(await client.restore()).toBe(true);
    await client.api.rooms.list();
    expect(server.paths).toEqual(["POST /auth/refresh", "GET /rooms"]);
    expect(server.asked[0]?.body).toBe("{}");
    expect(fetched.every(({ credentials }) => credentials === "include")).toBe(true);
  });

  test("many calls of a page renew an old token once", async () => {
    const server = new Server();
    const client = server.client({ cookies: true });
    await Promise.all(Array.from({ length: 20 }, () => client.api.rooms.list()));
    expect(server.refreshes).toBe(1);
  });

  test("a sign-in asks for cookies", async () => {
    const server = new Server();
    server.respond = () => pair(0);
    await server.client({ cookies: true }).login("alice", "secret");
    expect(server.asked[0]?.body).toBe("username=alice&password=secret&cookies=true");
  });

  test("tabs renew one after the other", async () => {
    const server = new Server();
    let inside = 0;
    let most = 0;
    const fetcher: typeof fetch = async (input, init) => {
      if (!String(input).endsWith("/auth/refresh")) return server.fetch(input, init);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise(resolve => setTimeout(resolve, 2));
      inside -= 1;
      return server.fetch(input, init);
    };
    const tabs = [1, 2, 3].map(() => server.client({ cookies: true, fetch: fetcher }));
    await Promise.all(tabs.map(tab => tab.restore()));
    expect(server.refreshes).toBe(3);
    expect(most).toBe(1);
  });

  test("that nobody is signed in is what the server says, and not that it says nothing of it", async () => {
    const restore = (status: number, code: string) =>
      new Server().client({ cookies: true, fetch: async () => problem(status, code) }).restore();
    expect(await restore(422, "invalid")).toBe(false);
    expect(await restore(401, "bad_token")).toBe(false);
    expect((await refused(restore(429, "rate_limited"))).code).toBe("rate_limited");
  });

  test("a page that cannot reach the server does not take that for being signed out", async () => {
    const client = new Server().client({ cookies: true, fetch: () => Promise.reject(new TypeError("failed")) });
    const error = await refused(client.restore());
    expect([error.code, error.status]).toEqual(["unreachable", 0]);
    expect(error.cause).toBeInstanceOf(TypeError);
  });
});

describe("errors", () => {
  test("a problem document becomes an error with all that it says", async () => {
    const server = new Server();
    const more = { retry_after_ms: 1200, errors: { name: "is too long" }, request_id: "q", current: { rev: 3 } };
    server.respond = () => problem(409, "rev_conflict", more);
    const error = await refused(server.client().api.rooms.update("r", { rev: 1 }));
    expect(error).toMatchObject({
      message: "Not so. [rev_conflict]",
      code: "rev_conflict",
      detail: "Not so.",
      status: 409,
      retryAfterMs: 1200,
      errors: { name: "is too long" },
      requestId: "q",
      current: { rev: 3 },
    });
  });

  test.each([
    new Response("<html>Bad gateway</html>", { status: 502 }),
    Response.json(["a list"], { status: 500 }),
    Response.json({ message: "no code" }, { status: 400 }),
    Response.json(null, { status: 400 }),
    new Response("<html>Welcome to the hotel's network</html>"),
    Response.json("text"),
  ])("what does not answer as Parley does is called so: %#", async answer => {
    const server = new Server();
    server.respond = () => answer;
    const error = await refused(server.client().api.rooms.list());
    expect([error.code, error.status]).toEqual(["not_parley", answer.status]);
  });

  test("an answer that does not come is not waited for", async () => {
    vi.useFakeTimers();
    const never: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    const error = refused(new Server().client({ fetch: never }).api.rooms.list());
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await error).code).toBe("unreachable");
    vi.useRealTimers();
  });
});
