/** What calls for attention outside the page: its title, its icon, the badge of an installed app. */

import "fake-indexeddb/auto";
import { cleanup, render, waitFor } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Mounted from "./Mounted.svelte";
import { ModelRoom } from "./model.ts";
import { myRoom, signedIn } from "./stub.ts";

const badge = vi.fn(async (_: number) => undefined);

beforeEach(() => {
  document.head.innerHTML = '<link rel="icon" href="/icon.svg">';
  vi.stubGlobal(
    "fetch",
    vi.fn(async () => new Response("<svg><circle/></svg>")),
  );
  Object.assign(navigator, { setAppBadge: badge });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  badge.mockReset();
});

const icon = (): string => decodeURIComponent(document.querySelector("link[rel=icon]")?.getAttribute("href") ?? "");

test("mentions are counted in the title, in the icon and on the app; what is unread is a dot", async () => {
  const model = new ModelRoom();
  const { session, client } = await signedIn(model, { unread: 3, mentions: 3 });
  render(Mounted, { session });
  await waitFor(() => expect(document.title).toBe("(3) Rooms and people · Parley"));
  await waitFor(() =>
    expect(icon()).toMatch(/^data:image\/svg\+xml,<svg><circle\/><circle [^>]*><text [^>]*>3<\/text><\/svg>$/),
  );
  client.ready(myRoom(model, { unread: 12, mentions: 12 }));
  await waitFor(() => expect(document.title).toBe("(12) Rooms and people · Parley"));
  await waitFor(() => expect(icon()).toContain(">9+</text>"));
  client.ready(myRoom(model, { unread: 2, mentions: 0 }));
  await waitFor(() => expect(document.title).toBe("• Rooms and people · Parley"));
  await waitFor(() => expect(icon()).toBe("/icon.svg"));
  expect(badge.mock.calls.flat()).toEqual([3, 12, 0]);
});

test("an icon that cannot be had is one with a dot, and a browser that refuses badges is left alone", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 503 }));
  badge.mockRejectedValue(new DOMException("No app.", "InvalidStateError"));
  const { session } = await signedIn(new ModelRoom(), { unread: 1, mentions: 1 });
  render(Mounted, { session });
  await waitFor(() => expect(icon()).toBe("/icon-new.svg"));
});
