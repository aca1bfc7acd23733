/** Notices at the edge of the page. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { toasts } from "../../src/lib/toasts.svelte.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("what one may want to undo stays until one puts it away, as an error does, and other news goes by itself", () => {
  toasts.show("good", "Saved.");
  toasts.show("error", "Not saved.");
  toasts.show("info", "Deleted.", { label: "Undo", run: () => undefined });
  vi.advanceTimersByTime(3_600_000);
  expect(toasts.list.map(({ text }) => text)).toEqual(["Not saved.", "Deleted."]);
  for (const { id } of toasts.list) toasts.hide(id);
  expect(toasts.list).toEqual([]);
});
