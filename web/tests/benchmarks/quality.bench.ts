/** How fast the page is, how smoothly it scrolls and how much memory it takes, in a browser without a screen. */

import type { MyRoom } from "@parley/client";
import { test } from "vitest";
import { type Person, person, room, say, useBrowser, type Visitor, visitAs } from "../browser/harness/index.ts";
import { note } from "./figures.ts";

useBrowser();

const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const ROOM = number("PARLEY_BENCH_ROOM", 10_000);
const LONG = number("PARLEY_BENCH_LONG", 50_000);
const MINUTES = number("PARLEY_BENCH_MINUTES", 5);
const PER_SECOND = 10;
const TURNS = 15;
const AT_ONCE = 32;
/** As fast as one flicks through a list. */
const PX_PER_SECOND = 3_000;
const SCROLL_S = 10;
const seen = (name: string): string => `The newest in ${name}`;

/** So many messages of ordinary length, some with Markdown. */
async function filled(owner: Person, who: readonly Person[], count: number, name: string): Promise<MyRoom> {
  const made = await room(owner, who, { name });
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < count) {
      const at = sent++;
      await say(who[at % who.length] as Person, made, text(at));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  const { seq } = await say(who[0] as Person, made, seen(name));
  await owner.client.api.sync.markRead(made.id, seq);
  return made;
}

const text = (at: number): string =>
  at % 10 === 0
    ? `Number ${at}: **bread** and _salt_, see https://example.org/${at} or ask \`anna\`.`
    : `Number ${at}: ${"a sentence of some words, ".repeat(1 + (at % 4))}and its end.`;

/** Milliseconds from the click on a room to the frame that shows its newest message. */
async function click({ page }: Visitor, name: string, wanted = seen(name)): Promise<number> {
  await page.evaluate(
    ([name, wanted]) => {
      const link = [...document.querySelectorAll<HTMLAnchorElement>("nav a")].find(a => a.textContent?.includes(name));
      Object.assign(globalThis, {
        measured: new Promise<number>(resolve => {
          link?.addEventListener(
            "click",
            event => {
              const look = (): void => {
                const there = [...document.querySelectorAll("article")].some(
                  article => article.textContent?.includes(wanted) && article.getBoundingClientRect().top < innerHeight,
                );
                if (!there) requestAnimationFrame(look);
                // Behind this frame: it has been handed over.
                else
                  requestAnimationFrame(() => {
                    const { port1, port2 } = new MessageChannel();
                    port1.onmessage = () => resolve(performance.now() - event.timeStamp);
                    port2.postMessage(null);
                  });
              };
              requestAnimationFrame(look);
            },
            { once: true },
          );
        }),
      });
    },
    [name, wanted] as const,
  );
  await page.getByRole("navigation").getByRole("link", { name }).click();
  return page.evaluate(() => (globalThis as unknown as { measured: Promise<number> }).measured);
}

test("from a click to the room", async () => {
  const [owner, ...others] = [await person("Mara"), await person("Tomas"), await person("Aiko")] as [
    Person,
    ...Person[],
  ];
  const large = await filled(owner, others, ROOM, "Large room");
  await filled(owner, others, ROOM, "Next room");
  const empty = await room(owner, [], { name: "Other room" });
  const first: number[] = [];
  const again: number[] = [];
  const next: number[] = [];
  const unread: number[] = [];
  /** Somebody who has never been here: nothing of the room is in this browser. */
  const newcomer = async (): Promise<Visitor> => {
    const visitor = await visitAs(owner, `/rooms/${empty.id}`);
    await visitor.page.getByRole("combobox").waitFor();
    await visitor.page.getByRole("button", { name: /^Connected/ }).waitFor();
    await visitor.page.waitForTimeout(1_500);
    return visitor;
  };
  for (let turn = 0; turn < TURNS; turn += 1) {
    const visitor = await newcomer();
    first.push(await click(visitor, "Large room"));
    await visitor.page.getByRole("navigation").getByRole("link", { name: "Other room" }).click();
    await visitor.page.getByText("Nobody has said anything yet").waitFor();
    await visitor.page.waitForTimeout(500);
    again.push(await click(visitor, "Large room"));
    await visitor.page.waitForTimeout(500);
    next.push(await click(visitor, "Next room"));
    await visitor.page.goto("about:blank");
  }
  for (let turn = 0; turn < TURNS; turn += 1) {
    const body = `Unread ${turn}`;
    const { seq } = await say(others[0] as Person, large, body);
    const visitor = await newcomer();
    unread.push(await click(visitor, "Large room", body));
    await visitor.page.goto("about:blank");
    await owner.client.api.sync.markRead(large.id, seq);
  }
  await note({ room: ROOM, click: { first, unread, next, again } });

  // One's own message, in the same room.
  const visitor = await visitAs(owner, `/rooms/${large.id}`);
  const { page } = visitor;
  const field = page.getByRole("combobox", { name: "Message to Large room" });
  await page
    .getByRole("article")
    .filter({ hasText: `Unread ${TURNS - 1}` })
    .waitFor();
  await page.waitForTimeout(1_500);
  const drawn: number[] = [];
  const painted: number[] = [];
  for (let turn = 0; turn < 2 * TURNS; turn += 1) {
    const body = `Own message ${turn}.`;
    await field.fill(body);
    await page.evaluate(body => {
      Object.assign(globalThis, {
        measured: new Promise<number[]>(resolve => {
          addEventListener(
            "keydown",
            event => {
              const began = event.timeStamp;
              const observer = new MutationObserver(() => {
                const there = [...document.querySelectorAll("article")].some(found =>
                  found.textContent?.includes(body),
                );
                if (!there) return;
                observer.disconnect();
                const drawn = performance.now() - began;
                requestAnimationFrame(() => {
                  const { port1, port2 } = new MessageChannel();
                  port1.onmessage = () => resolve([drawn, performance.now() - began]);
                  port2.postMessage(null);
                });
              });
              observer.observe(document.body, { childList: true, subtree: true, characterData: true });
            },
            { once: true, capture: true },
          );
        }),
      });
    }, body);
    await field.press("Enter");
    const [inPage, onScreen] = await page.evaluate(
      () => (globalThis as unknown as { measured: Promise<[number, number]> }).measured,
    );
    drawn.push(inPage);
    painted.push(onScreen);
    await page.waitForTimeout(300);
  }
  await note({ own: { drawn, painted } });
});

/** Milliseconds between frames while the wheel is turned; up: towards older messages. */
async function scroll({ page, context }: Visitor, up: boolean): Promise<number[]> {
  const box = await page.getByRole("region", { name: "Messages", exact: true }).boundingBox();
  if (box === null) throw new Error("There is nothing to scroll.");
  const devtools = await context.newCDPSession(page);
  await page.evaluate(() => {
    const times: number[] = [];
    const each = (time: number): void => {
      times.push(time);
      requestAnimationFrame(each);
    };
    requestAnimationFrame(each);
    Object.assign(globalThis, { times });
  });
  await devtools.send("Input.synthesizeScrollGesture", {
    x: box.x + box.width / 2,
    y: box.y + box.height / 2,
    yDistance: (up ? 1 : -1) * PX_PER_SECOND * SCROLL_S,
    speed: PX_PER_SECOND,
    gestureSourceType: "mouse",
    preventFling: true,
  });
  await devtools.detach();
  const times = await page.evaluate(() => (globalThis as unknown as { times: number[] }).times);
  return times.slice(1).map((time, at) => time - (times[at] as number));
}

test("scrolling through a long room", async () => {
  const [owner, ...others] = [await person("Mara"), await person("Tomas"), await person("Aiko")] as [
    Person,
    ...Person[],
  ];
  const long = await filled(owner, others, LONG, "Long room");
  const visitor = await visitAs(owner, `/rooms/${long.id}`);
  const { page } = visitor;
  await page
    .getByRole("article")
    .filter({ hasText: seen("Long room") })
    .waitFor();
  await page.waitForTimeout(2_000);
  const loading = await scroll(visitor, true);
  await note({ long: LONG, frames: { loaded: [], loading } });
  const loaded = await scroll(visitor, false);
  await note({ long: LONG, frames: { loaded, loading } });
});

test("memory while others talk", async () => {
  const [owner, ...others] = [await person("Mara"), await person("Tomas"), await person("Aiko")] as [
    Person,
    ...Person[],
  ];
  const busy = await filled(owner, others, 100, "Busy room");
  const visitor = await visitAs(owner, `/rooms/${busy.id}`);
  const { page, context } = visitor;
  await page
    .getByRole("article")
    .filter({ hasText: seen("Busy room") })
    .waitFor();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  const memory: { at: number; heap: number; nodes: number; messages: number }[] = [];
  const began = performance.now();
  let sent = 0;
  let next = 0;
  for (;;) {
    const minutes = (performance.now() - began) / 60_000;
    if (minutes >= next) {
      await devtools.send("HeapProfiler.collectGarbage");
      const { metrics } = await devtools.send("Performance.getMetrics");
      const found = (name: string): number => metrics.find(metric => metric.name === name)?.value ?? 0;
      memory.push({ at: minutes, heap: found("JSHeapUsedSize"), nodes: found("Nodes"), messages: sent });
      await note({ minutes: MINUTES, memory });
      next += Math.max(0.25, MINUTES / 60);
    }
    if (minutes > MINUTES) break;
    await say(others[sent % others.length] as Person, busy, text(sent));
    sent += 1;
    // By the clock: what one message took is not added to the next one's pause.
    const wait = began + (sent * 1_000) / PER_SECOND - performance.now();
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait));
  }
});
