/** The views, drawn without a browser: what is said, and what becomes of what one does. */

import "fake-indexeddb/auto";
import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { router } from "../../src/lib/router.svelte.ts";
import Mounted from "./Mounted.svelte";
import { ModelRoom, ROOM } from "./model.ts";
import { signedIn } from "./stub.ts";

const thrown: unknown[] = [];
// What is loaded when it is first shown is compiled at that moment here.
const WITHIN_MS = 30_000;
configure({ asyncUtilTimeout: WITHIN_MS });
vi.setConfig({ testTimeout: 2 * WITHIN_MS });

beforeAll(() => {
  // The icon, in which mentions are counted.
  vi.stubGlobal("fetch", async () => new Response("<svg></svg>"));
  // There is no layout here: everything is as high as it has to be to be drawn.
  vi.stubGlobal(
    "ResizeObserver",
    class {
      readonly #tell: ResizeObserverCallback;
      constructor(tell: ResizeObserverCallback) {
        this.#tell = tell;
      }
      observe(target: HTMLElement): void {
        const height = target.classList.contains("scroller") ? 2_000 : 40;
        queueMicrotask(() =>
          this.#tell(
            [{ target, contentRect: { width: 800, height } } as unknown as ResizeObserverEntry],
            this as never,
          ),
        );
      }
      unobserve(): void {}
      disconnect(): void {}
    },
  );
  Object.defineProperty(HTMLElement.prototype, "offsetParent", { get: () => document.body });
  addEventListener("error", event => thrown.push(event.error));
  process.on("unhandledRejection", error => thrown.push(error));
});

beforeEach(() => {
  thrown.length = 0;
  router.go("/");
});

afterEach(() => {
  cleanup();
  expect(thrown).toEqual([]);
});

function kitchen(): ModelRoom {
  const model = new ModelRoom();
  model.say("ann", "Is there bread?");
  model.say("me", "Two loaves.");
  model.say("ben", "**Three** now", "m1");
  model.react("m2", "ann", "like", true);
  return model;
}

test("the list names the rooms, and what waits in them", async () => {
  const { session } = await signedIn(kitchen(), { read_seq: 0, unread: 2, mentions: 1 });
  render(Mounted, { session });
  await screen.findByRole("link", { name: /Kitchen.*1 notification$/ });
  await waitFor(() => expect(document.title).toContain("(1)"));
  await screen.findByRole("button", { name: /Connected/ });
});

test("a room shows what was said, and what comes", async () => {
  const model = kitchen();
  const { session, client } = await signedIn(model);
  router.go(`/rooms/${ROOM}`);
  render(Mounted, { session });
  await screen.findByText("Is there bread?");
  await screen.findByRole("button", { name: "1 reply" });
  await screen.findByRole("button", { name: /Like, 1/ });
  model.say("ann", "One more");
  client.tell();
  await screen.findByText("One more");
  model.edit("m1", "Is there cake?");
  client.tell();
  await screen.findByText("Is there cake?");
  model.delete("m1");
  client.tell();
  await screen.findByText("A moderator deleted this message.");
});

test("what one writes is sent, and stands there at once", async () => {
  const { session, client } = await signedIn(kitchen());
  router.go(`/rooms/${ROOM}`);
  render(Mounted, { session });
  const field = await screen.findByRole("combobox", { name: "Message to Kitchen" });
  await fireEvent.input(field, { target: { value: "At once" } });
  await fireEvent.keyDown(field, { key: "Enter" });
  expect(client.sent).toEqual([{ roomId: ROOM, body: "At once" }]);
  client.entries.set([
    { client_msg_id: "1", room_id: ROOM, body: "At once", created_at: Date.now(), state: "sending" },
  ]);
  await screen.findByText("At once");
  const refusal = { code: "muted", detail: "", errors: {} };
  client.entries.set([
    { client_msg_id: "1", room_id: ROOM, body: "At once", created_at: Date.now(), state: "refused", refusal },
  ]);
  await screen.findByText(/Not sent: You are muted/);
});

test("whoever leaves a room on the way to a place in it comes to nothing there", async () => {
  const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const { session } = await signedIn(kitchen());
  router.go(`/rooms/${ROOM}`);
  render(Mounted, { session });
  await screen.findByText("Is there bread?");
  router.go("/rooms");
  await screen.findByText("Garden");
  cleanup();
  await new Promise(resolve => setTimeout(resolve, 0));
  expect(warned.mock.calls.flat().join(" ")).not.toContain("derived_inert");
});

test("a thread stands beside its room", async () => {
  const model = kitchen();
  const { session, client } = await signedIn(model);
  router.go(`/rooms/${ROOM}/threads/m1`);
  render(Mounted, { session });
  await screen.findByRole("complementary", { name: "Thread" });
  await screen.findByText("Three", { exact: false });
  model.say("ann", "And a fourth", "m1");
  client.tell();
  await screen.findByText("And a fourth");
});

test("the panel of a room tells of it, its people and its pins", async () => {
  const model = kitchen();
  const { session, client } = await signedIn(model, { encryption: "sealed" });
  const asked = (call: string) => client.calls.filter(name => name === call).length;
  router.go(`/rooms/${ROOM}`);
  render(Mounted, { session });
  await fireEvent.click(await screen.findByRole("button", { name: "About this room" }));
  await screen.findByText("In short.");
  expect(screen.getAllByText(/The server can read it, and it is not searchable/).length).toBeGreaterThan(0);
  await fireEvent.click(screen.getByRole("tab", { name: "Members" }));
  await screen.findByRole("button", { name: "What to do about Ann" });
  await fireEvent.click(screen.getByRole("tab", { name: "Pinned" }));
  await screen.findByRole("link", { name: "Show in room" });
  // What is said meanwhile changes nothing of either.
  await fireEvent.click(screen.getByRole("tab", { name: "About" }));
  await screen.findByText("In short.");
  const before = ["privacy", "pins"].map(asked);
  model.say("ann", "Not about that");
  client.tell();
  await screen.findByText("Not about that");
  await fireEvent.click(screen.getByRole("tab", { name: "Pinned" }));
  await screen.findByRole("link", { name: "Show in room" });
  model.say("ann", "Nor about this");
  client.tell();
  await screen.findByText("Nor about this");
  expect(["privacy", "pins"].map(asked)).toEqual([before[0], (before[1] ?? 0) + 1]);
});

test("the directory, the search and the notifications are drawn", async () => {
  const { session } = await signedIn(kitchen());
  render(Mounted, { session });
  router.go("/rooms");
  await screen.findByText("Garden");
  router.go("/search?q=bread");
  await screen.findByText("2 messages");
  router.go("/notifications");
  await screen.findByText("Nothing waits for you");
});

test("without a connection the page says so, and how long it waits", async () => {
  const { session, client } = await signedIn(kitchen());
  render(Mounted, { session });
  const pause = { name: "reconnecting", at: Date.now() + 4_000, attempt: 2, lastClose: null } as const;
  client.state.set(pause);
  const line = await screen.findByRole("button", { name: /^No connection\.\sNext try in [1-4]\ss\./ });
  await fireEvent.click(line);
  await screen.findByText(/2 attempts so far\. Next try in [1-4]\ss\./);
  await screen.findByText("The server was replaced by another one.");
  screen.getByText("(4001 drain)");
  screen.getByText("c-0");
});

test("the pause before the next attempt is ended by a button, which keeps the focus for as long as it is there", async () => {
  const { session, client } = await signedIn(kitchen());
  render(Mounted, { session });
  const pause = { name: "reconnecting", at: Date.now() + 9_000, attempt: 3, lastClose: null } as const;
  client.state.set(pause);
  const button = await screen.findByRole("button", { name: "Try now" });
  button.focus();
  await fireEvent.click(button);
  expect(client.calls.filter(name => name === "tryNow")).toHaveLength(1);
  client.state.set({ name: "connecting", attempt: 4 });
  await screen.findByRole("button", { name: /^Connecting/ });
  expect(document.activeElement).toBe(button);
  client.state.set({ ...pause, attempt: 4 });
  await screen.findByRole("button", { name: /^No connection/ });
  expect(document.activeElement).toBe(button);
  client.state.set({ name: "live", since: Date.now() });
  const line = await screen.findByRole("button", { name: /^Connected/ });
  expect(screen.queryByRole("button", { name: "Try now" })).toBeNull();
  expect(document.activeElement?.contains(line)).toBe(true);
  // Who has not pressed it is not shown it between two attempts.
  client.state.set({ name: "connecting", attempt: 1 });
  await screen.findByRole("button", { name: /^Connecting/ });
  expect(screen.queryByRole("button", { name: "Try now" })).toBeNull();
});
