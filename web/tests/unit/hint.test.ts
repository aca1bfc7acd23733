/** The text beside what the pointer rests on. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hint, hints } from "../../src/ui/hint.svelte.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(10_000);
});
afterEach(() => {
  hints.close();
  vi.useRealTimers();
});

function hinted(text: string) {
  const node = document.createElement("button");
  const remove = hint(() => text)(node);
  return {
    node,
    remove,
    on: (name: string, pointerType = "mouse") => node.dispatchEvent(new PointerEvent(name, { pointerType })),
  };
}
const shown = () => hints.shown?.text();

test("who rests on something reads of it, and need not wait for the next", () => {
  const [first, second] = [hinted("first"), hinted("second")];
  first.on("pointerenter");
  vi.advanceTimersByTime(499);
  expect(shown()).toBe(undefined);
  vi.advanceTimersByTime(1);
  expect(shown()).toBe("first");
  first.on("pointerleave");
  second.on("pointerenter");
  vi.advanceTimersByTime(0);
  expect(shown()).toBe("second");
});

test("who presses, leaves or touches reads nothing", () => {
  const { on } = hinted("text");
  for (const way of ["pointerdown", "pointerleave"]) {
    on("pointerenter");
    on(way);
    vi.advanceTimersByTime(1_000);
    expect(shown()).toBe(undefined);
  }
  on("pointerenter", "touch");
  vi.advanceTimersByTime(1_000);
  expect(shown()).toBe(undefined);
});

test("it goes with what it stands beside", () => {
  const { on, remove } = hinted("text");
  const other = hinted("other");
  on("pointerenter");
  vi.advanceTimersByTime(500);
  other.remove();
  expect(shown()).toBe("text");
  remove();
  expect(shown()).toBe(undefined);
});
