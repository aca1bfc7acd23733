/** Networks that come and go, gateways that end, machines that sleep: what one sees meanwhile, and that all is whole after it. */

import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import {
  ADDRESS,
  admin,
  kill,
  type Person,
  person,
  png,
  room,
  say,
  useBrowser,
  type Visitor,
  visit,
  visitAs,
} from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const connected = ({ page }: Visitor) => page.getByRole("button", { name: /^Connected/ });

/** As `visitAs`; when the page loses its connection, it waits far longer than a test does. */
async function visitPatiently(who: Person, path: string): Promise<Visitor> {
  const visitor = await visitAs(who, "about:blank", { troubled: true });
  // Of the longest pause a random part is waited: here it is many times the shortest one.
  await visitor.context.addInitScript(() => {
    Math.random = () => 800;
  });
  await visitor.page.goto(path);
  return visitor;
}

/** The first gateway ends, and another one is there in its place. */
async function replaceGateway(): Promise<void> {
  await kill("gateway");
  const answers = () =>
    fetch(`${ADDRESS}/readyz`).then(
      ({ status }) => status,
      () => 0,
    );
  await expect.poll(answers).toBe(200);
}

test("whoever does not want to wait for the next attempt has it made at once", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const a = await visitPatiently(anna, `/rooms/${kitchen.id}`);
  const { page } = a;
  // The panel is loaded before it is wanted.
  await connected(a).click();
  await page
    .getByRole("dialog")
    .getByText(/^Connected since/)
    .waitFor();
  await page.keyboard.press("Escape");
  await replaceGateway();
  await say(ben, kitchen, "While nobody listened");
  await page.getByRole("combobox", { name: "Message to Kitchen" }).fill("From far away");
  await page.keyboard.press("Enter");

  // The line says how long it lasts, and what waits, in whole; nothing that counts is read out.
  const line = page.getByRole("button", { name: /^No connection\. Next try in 1\d\d\ss\. 1 message waits/ });
  await line.waitFor();
  const spoken = page.getByRole("status").filter({ hasText: /^No connection; what you write is kept$/ });
  expect(await spoken.count()).toBe(1);
  const now = page.getByRole("navigation").getByRole("button", { name: "Try now" });
  for (const width of [800, 1280]) {
    await page.setViewportSize({ width, height: 720 });
    const cut = await line.evaluate(element =>
      [element, ...element.querySelectorAll(":not(.visually-hidden)")].some(
        part => part.scrollWidth > part.clientWidth,
      ),
    );
    expect(cut).toBe(false);
    await a.fits();
    await a.keep(`no-connection-${width}`);
  }
  // On a phone it stands above the room.
  await page.setViewportSize({ width: 320, height: 640 });
  await page.getByRole("main").getByRole("button", { name: "Try now" }).waitFor();
  await a.fits();
  await a.accessible();
  await a.keep("no-connection-320");

  await page.setViewportSize({ width: 1280, height: 800 });
  await line.click();
  const panel = page.getByRole("dialog", { name: "Connection" });
  await panel.getByText(/^No connection\. Next try in 1\d\d\ss\./).waitFor();
  await panel.getByText("The network broke off.").waitFor();
  await panel.getByText("(1006)").waitFor();
  await a.accessible();
  await a.keep("no-connection-panel");
  await panel.getByRole("button", { name: "Try now" }).click();
  await panel.getByText(/^Connected since/).waitFor();
  // The button is gone, the focus is not.
  expect(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  await page.keyboard.press("Escape");
  await article(a, "While nobody listened").waitFor();
  await article(a, "From far away").getByText("Sent").waitFor({ state: "attached" });

  await replaceGateway();
  await now.focus();
  await page.keyboard.press("Enter");
  await connected(a).waitFor();
  expect(await page.evaluate(() => document.activeElement?.closest("nav") !== null)).toBe(true);
});

test("a network that has gone is said at once, before anybody knows what has become of the connection", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const { page, context } = a;
  await connected(a).waitFor();
  // The browser is wrong about it: until the gateway has answered the page says what it was told, then what is so.
  const told = await page.evaluate(async () => {
    const line = document.querySelector("nav .connection") as Element;
    const texts: string[] = [];
    await new Promise<void>(resolve => {
      const look = () => {
        const text = line.textContent?.trim() ?? "";
        texts.push(text);
        if (text.startsWith("Connected")) resolve();
      };
      new MutationObserver(look).observe(line, { subtree: true, childList: true, characterData: true });
      dispatchEvent(new Event("offline"));
    });
    return texts;
  });
  expect(told[0]).toMatch(/^The network is gone\. Checking …/);

  await context.setOffline(true);
  await page.getByRole("button", { name: /^(The network is gone|No connection|Connecting)/ }).waitFor();
  await page.getByRole("button", { name: /^No connection/ }).waitFor();
  await context.setOffline(false);
  await connected(a).waitFor();
});

test("what one copies from the panel is what the operator finds", async () => {
  const [boss, anna] = [await admin(), await person("Anna")];
  const kitchen = await room(anna);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, {
    troubled: true,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const { page } = a;
  await connected(a).click();
  const panel = page.getByRole("dialog", { name: "Connection" });
  await panel.getByText("None since this page was opened").waitFor();
  const copied = async (): Promise<Record<string, string>> => {
    await panel.getByRole("button", { name: "Copy details" }).click();
    await page.getByText("Copied.").last().waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    return Object.fromEntries(text.split("\n").map(line => [line.split(" ")[0], line.replace(/^\S+\s*/, "")]));
  };
  const first = await copied();
  expect(first).toMatchObject({ user_id: anna.id, state: "live", last_close: "-", last_lost: "-", unsent: "0" });
  expect(first[`room:${kitchen.id}`]).toBe("seq 1 head 1");

  // With another role one comes back with another token, on another connection.
  await boss.client.api.admin.updateUser(anna.id, { role: "moderator" });
  await panel.getByText("It was opened anew with a new key.").waitFor();
  await panel.getByText(/^Connected since/).waitFor();
  await a.accessible();
  await a.keep("connection-after-an-interruption");
  const second = await copied();
  expect(second).toMatchObject({ state: "live", session_id: first["session_id"], last_lost: first["connection_id"] });
  expect(second["connection_id"]).not.toBe(first["connection_id"]);

  // The log is written down a moment later.
  const logged = async () => (await boss.client.api.admin.connections({ user_id: anna.id })).items;
  await expect.poll(async () => (await logged()).map(row => row.closed_at === null)).toEqual([true, false]);
  const [after, before] = await logged();
  expect(before).toMatchObject({ connection_id: first["connection_id"], session_id: first["session_id"], code: 4014 });
  expect(second["last_close"]).toBe(`${before?.code} ${before?.reason}`);
  const [code, reason] = [after?.last_close_code, after?.last_close_reason];
  expect(after).toMatchObject({ connection_id: second["connection_id"], session_id: first["session_id"] });
  expect(second["last_close"]).toBe(`${code} ${reason}`);
});

test("a page that has slept through everything is whole again without a reload", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const pantry = await room(anna, [ben], { name: "Pantry" });
  const early = await say(ben, kitchen, "Before the nap");
  const gone = await say(ben, kitchen, "To be forgotten");
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const { page } = a;
  await article(a, "To be forgotten").waitFor();
  await connected(a).waitFor();
  await page.getByRole("combobox", { name: "Message to Kitchen" }).fill("Half a sentence");
  await page.evaluate(() => Object.assign(globalThis, { same: true }));

  // As when a lid is closed: nothing runs, and nobody answers any more.
  const cdp = await a.context.newCDPSession(page);
  await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  await replaceGateway();
  const { messages } = ben.client.api;
  for (let number = 1; number <= 60; number += 1) await say(ben, kitchen, `While you slept ${number}`);
  await messages.edit(kitchen.id, early.id, early.rev, "Before the long nap");
  await messages.delete(kitchen.id, gone.id);
  await messages.react(kitchen.id, early.id, "like");
  await say(ben, pantry, `Salt for @${anna.username}`);
  await cdp.send("Page.setWebLifecycleState", { state: "active" });

  await page.getByRole("link", { name: /Pantry.*1 notification$/ }).waitFor();
  await connected(a).waitFor();
  await article(a, "While you slept 60").waitFor();
  const list = page.getByRole("article");
  // Up to where the nap began, each once.
  const seen = new Set<string>();
  await expect
    .poll(async () => {
      for (const text of await list.allTextContents()) seen.add(/While you slept \d+/.exec(text)?.[0] ?? "");
      await list.first().scrollIntoViewIfNeeded();
      return article(a, "Before the long nap").count();
    })
    .toBe(1);
  await article(a, "Before the long nap").getByRole("button", { name: "Like, 1" }).waitFor();
  expect(await article(a, "To be forgotten").count()).toBe(0);
  expect([...seen].filter(Boolean)).toHaveLength(60);
  const field = page.getByRole("combobox", { name: "Message to Kitchen" });
  expect(await field.inputValue()).toBe("Half a sentence");
  expect(await page.evaluate(() => (globalThis as { same?: boolean }).same)).toBe(true);
});

test("a page of an old build comes to the new one by itself, with what was typed", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  // A worker would have kept the old build's parts.
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true, serviceWorkers: "block" });
  const { page } = a;
  const field = page.getByRole("combobox", { name: "Message to Kitchen" });
  await field.fill("Half a sentence");
  await connected(a).waitFor();
  let loads = 0;
  const replaced = (there: boolean) =>
    page.route(/\/assets\/(DirectoryPage|NewRoomDialog)/, route =>
      there ? route.continue() : route.fulfill({ status: 404 }),
    );
  await replaced(false);
  page.on("domcontentloaded", () => {
    loads += 1;
    void page.unrouteAll().then(() => replaced(loads > 0));
  });
  await page.getByRole("navigation").getByRole("link", { name: "Find rooms" }).first().click();
  await page.getByLabel("Search public rooms").waitFor();
  expect(loads).toBe(1);
  expect(new URL(page.url()).pathname).toBe("/rooms");
  await page.goBack();
  expect(await field.inputValue()).toBe("Half a sentence");

  // What is missing even so is said, and the page stays.
  await page.unrouteAll();
  await replaced(false);
  await page.getByRole("button", { name: "New room" }).first().click();
  await page.getByText("This part could not be loaded").waitFor();
  expect(loads).toBe(1);
  expect(await field.inputValue()).toBe("Half a sentence");
});

test("a part that was lost on its way is there at the next try", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true, serviceWorkers: "block" });
  const { page } = a;
  const field = page.getByRole("combobox", { name: "Message to Kitchen" });
  await field.fill("Half a sentence");
  await connected(a).waitFor();
  // Nobody answers, neither with that part nor to whoever asks whether there is another build.
  await page.route(/\/assets\/SettingsPage|:\d+\/$/, route => route.abort());
  await page.getByRole("navigation").getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByText("This part could not be loaded").waitFor();
  await a.keep("part-lost");
  await page.unrouteAll();
  // A browser that remembers what has failed does not ask for it again: there the page is loaded anew, and is where one was.
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("main").getByRole("heading", { name: "Settings" }).waitFor();
  await page.goBack();
  expect(await field.inputValue()).toBe("Half a sentence");
});

test("before the app is there, one sees that it is coming", async () => {
  const a = await visit("about:blank", { serviceWorkers: "block" });
  const { page } = a;
  let go: () => void = () => undefined;
  const held = new Promise<void>(resolve => {
    go = resolve;
  });
  await page.route("**/assets/**", async route => {
    await held;
    await route.continue();
  });
  // The page is not loaded before its styles are.
  await page.goto("/", { waitUntil: "commit" });
  await page.getByText("Parley is loading").waitFor();
  // What stands in the page may still be hidden behind styles that have not come.
  const painted = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint").length);
  await expect.poll(painted).toBe(1);
  await a.accessible();
  await a.keep("loading");
  go();
  await page.getByLabel("Username").waitFor();
  expect(await page.getByText("Parley is loading").count()).toBe(0);
});

test("on a slow line one's own message is there at once, its tick and its image follow, and nothing is doubled", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`);
  const { page } = a;
  await connected(a).waitFor();
  const cdp = await a.context.newCDPSession(page);
  await cdp.send("Network.enable");
  const slow = { offline: false, latency: 1_000, downloadThroughput: 50_000, uploadThroughput: 50_000 };
  await cdp.send("Network.emulateNetworkConditions", slow);
  const field = page.getByRole("combobox", { name: "Message to Kitchen" });
  await field.fill("Slowly");
  await field.press("Enter");
  await field.fill("but surely");
  await field.press("Enter");
  await article(a, "but surely").getByText("Sent").waitFor({ state: "attached" });

  // Noise, which no compression makes small.
  const noise = randomBytes(3 * 200 * 200);
  const buffer = Buffer.from(png(200, 200, (x, y) => [0, 1, 2].map(part => noise[3 * (200 * y + x) + part]) as never));
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Add images" }).click();
  await (await chooser).setFiles({ name: "noise.png", mimeType: "image/png", buffer });
  const progress = page.getByRole("progressbar", { name: "noise.png is being uploaded" });
  const shares = new Set<number>();
  await expect
    .poll(
      async () => {
        const share = await progress.evaluateAll(found => (found[0] as HTMLProgressElement | undefined)?.value ?? null);
        if (share !== null) shares.add(share);
        return share;
      },
      { interval: 50 },
    )
    .toBeNull();
  expect([...shares].filter(share => share > 0 && share < 1).length).toBeGreaterThan(0);
  await field.fill("A picture");
  await field.press("Enter");
  await article(a, "A picture").getByText("Sent").waitFor({ state: "attached" });
  await article(a, "A picture").getByRole("img").first().waitFor();
  await expect
    .poll(async () => (await ben.client.api.messages.page(kitchen.id)).items.map(({ body }) => body))
    .toEqual(["Slowly", "but surely", "A picture"]);
  for (const text of ["Slowly", "but surely", "A picture"]) expect(await article(a, text).count()).toBe(1);
});
