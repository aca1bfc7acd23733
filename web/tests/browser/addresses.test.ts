/** What an address shows, what the page is then called, and the way back from it. */

import { expect, test } from "vitest";
import { person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const path = ({ page }: Visitor): string => new URL(page.url()).pathname;

test.each([800, 320])("from every section of the settings leads a way back at %i pixels", async width => {
  const visitor = await visitAs(await person("Narrow"), "/settings/profile", { viewport: { width, height: 640 } });
  const { page } = visitor;
  await page.getByRole("heading", { name: "Profile", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "Appearance" }).click();
  await page.getByRole("heading", { name: "Appearance", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  // And from their list, where nothing else is seen.
  if (width < 760) await page.getByRole("main").getByRole("button", { name: "Back" }).click();
  else expect(await page.getByRole("main").getByRole("button", { name: "Back" }).count()).toBe(0);
  await page.getByRole("navigation", { name: "Rooms and people" }).waitFor();
  await visitor.fits();
});

test("a message is shown again whenever one asks, and the room's link leads to the newest", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const first = await say(ben, kitchen, "The very first.");
  for (let number = 1; number <= 120; number += 1) await say(ben, kitchen, `Line ${number}.`);
  await anna.client.api.messages.pin(kitchen.id, first.id);
  await anna.client.api.sync.markRead(kitchen.id, 1_000);
  const visitor = await visitAs(anna, `/rooms/${kitchen.id}`);
  const { page } = visitor;
  await article(visitor, "Line 120.").waitFor();
  await page.getByRole("button", { name: "Pinned messages" }).click();
  for (const back of [
    page.getByRole("button", { name: "To the newest" }),
    page.getByRole("navigation").getByRole("link", { name: /Kitchen/ }),
  ]) {
    await page.getByRole("link", { name: "Show in room" }).click();
    await article(visitor, "The very first.").waitFor();
    await expect.poll(() => article(visitor, "Line 120.").count()).toBe(0);
    await back.click();
    await article(visitor, "Line 120.").waitFor();
  }
  expect(path(visitor)).toBe(`/rooms/${kitchen.id}`);

  // Opening a thread in the past, and closing it, moves nothing.
  await page.getByRole("link", { name: "Show in room" }).click();
  await article(visitor, "The very first.").press("Enter");
  await page.getByRole("complementary", { name: "Thread" }).waitFor();
  await page.getByRole("button", { name: "Close thread" }).click();
  await page.getByRole("complementary", { name: "Thread" }).waitFor({ state: "detached" });
  expect(await article(visitor, "Line 120.").count()).toBe(0);
  expect(await article(visitor, "The very first.").isVisible()).toBe(true);
});

test("who follows a link to what is not there is told so, and dialogs go with their page", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const said = await say(anna, kitchen, "All there is.");
  const visitor = await visitAs(anna, "/rooms");
  const { page } = visitor;
  await page
    .getByRole("navigation")
    .getByRole("link", { name: /Kitchen/ })
    .click();
  await article(visitor, "All there is.").waitFor();
  await page.getByRole("navigation").getByRole("button", { name: "New room" }).click();
  await page.getByRole("dialog", { name: "New room" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Find rooms" }).waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await page.goto(`/rooms/${kitchen.id}/messages/${said.id.replace(/.{4}$/, "0000")}`);
  await page.getByText("This message is not there any more").waitFor();
  await article(visitor, "All there is.").waitFor();
});

test("on a phone the way back closes the panel, and leads out of a room that one is not in", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const [kitchen, garden] = [await room(anna), await room(ben, [], { name: "Garden" })];
  const visitor = await visitAs(anna, "/", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const { page } = visitor;
  await page.getByRole("link", { name: /Kitchen/ }).tap();
  const members = page.getByRole("button", { name: "1 member" });
  const panel = page.getByRole("complementary");
  for (const close of [() => page.goBack(), () => panel.getByRole("button", { name: "Close" }).tap()]) {
    await members.tap();
    await panel.waitFor();
    await close();
    await panel.waitFor({ state: "detached" });
    await members.waitFor();
    expect(path(visitor)).toBe(`/rooms/${kitchen.id}`);
  }
  await page.goBack();
  await page.getByRole("navigation", { name: "Rooms and people" }).waitFor();

  await page.goto(`/rooms/${garden.id}`);
  await page.getByRole("button", { name: "Join" }).waitFor();
  await visitor.accessible();
  await visitor.keep("not-joined-390");
  await page.getByRole("button", { name: "Back" }).tap();
  await page.getByRole("navigation", { name: "Rooms and people" }).waitFor();
});

test("who comes back goes on in the room where he was, and at the list on a phone", async () => {
  const anna = await person("Anna");
  const [kitchen, garden] = [await room(anna), await room(anna, [], { name: "Garden" })];
  const visitor = await visitAs(anna, "/");
  const { page } = visitor;
  const link = (name: string) => page.getByRole("navigation").getByRole("link", { name });
  const start = page.getByText("Good to see you");
  await start.waitFor();
  for (const [name, { id }] of [
    ["Garden", garden],
    ["Kitchen", kitchen],
  ] as const) {
    await link(name).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await link("Find rooms").click();
    // What one has seen is written down after a moment.
    await page.waitForTimeout(1_500);
    await page.goto("/");
    await page.getByRole("heading", { level: 1, name }).waitFor();
    expect(path(visitor)).toBe(`/rooms/${id}`);
  }
  // The start is still there, and so is every other address.
  await link("Parley").click();
  await start.waitFor();
  await page.goto("/notifications");
  await page.getByRole("heading", { name: "Notifications", level: 1 }).waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/");
  await link("Kitchen").waitFor();
  expect(path(visitor)).toBe("/");
  // Nor does one come into a room that is gone.
  await page.setViewportSize({ width: 1280, height: 800 });
  await anna.client.api.rooms.delete(kitchen.id);
  await link("Kitchen").waitFor({ state: "detached" });
  await page.waitForTimeout(1_500);
  await page.goto("/");
  await start.waitFor();
  expect(path(visitor)).toBe("/");
});

test.each(["en-GB", "de-DE"])("every page is called by its own name (%s)", async locale => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const said = await say(anna, kitchen, "Bread?");
  const english = locale === "en-GB";
  const visitor = await visitAs(anna, "/", { locale });
  const { page } = visitor;
  for (const [address, name] of [
    ["/", english ? "Rooms and people" : "Räume und Leute"],
    ["/rooms", english ? "Find rooms" : "Räume finden"],
    ["/search?q=bread", english ? "Search" : "Suche"],
    ["/notifications", english ? "Notifications" : "Benachrichtigungen"],
    ["/settings", english ? "Settings" : "Einstellungen"],
    ["/settings/profile", english ? "Profile · Settings" : "Profil · Einstellungen"],
    ["/settings/sessions", english ? "Sessions · Settings" : "Sitzungen · Einstellungen"],
    [`/rooms/${kitchen.id}`, "Kitchen"],
    [`/rooms/${kitchen.id}/threads/${said.id}`, "Thread · Kitchen"],
    ["/settings/nothing", english ? "Settings" : "Einstellungen"],
    ["/rooms/nothing", english ? "There is nothing here" : "Hier ist nichts"],
    ["/nothing/at/all", english ? "There is nothing here" : "Hier ist nichts"],
  ] as const) {
    // As a link leads there, without a load of the page.
    await page.evaluate(to => {
      const link = Object.assign(document.createElement("a"), { href: to });
      document.body.append(link);
      link.click();
      link.remove();
    }, address);
    await expect.poll(() => page.title()).toBe(`${name} · Parley`);
  }
  await page.getByRole("button", { name: english ? /Status, settings/ : /Status, Einstellungen/ }).click();
  await page.getByRole("menuitem", { name: english ? "Sign out" : "Abmelden" }).click();
  await expect.poll(() => page.title()).toBe(english ? "Sign in · Parley" : "Anmelden · Parley");
});

test("a deleted room is brought back by the notice of it, or for a week where rooms are found", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const name = `Scullery ${Date.now().toString(36)}`;
  const kitchen = await room(anna, [ben], { name });
  const [a, b] = [await visitAs(anna, `/rooms/${kitchen.id}`), await visitAs(ben, `/rooms/${kitchen.id}`)];
  const { page } = a;
  const link = page.getByRole("navigation").getByRole("link", { name });
  const notices = page.getByRole("region", { name: "Notices" });
  await b.page.getByRole("heading", { name }).waitFor();
  const remove = async (): Promise<void> => {
    await page.getByRole("button", { name: "About this room" }).click();
    await page.getByRole("button", { name: "Delete room" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete room" }).click();
    await page.waitForURL("/");
    await link.waitFor({ state: "detached" });
  };
  await remove();
  await b.page.getByText(`${name} was deleted.`).waitFor();
  await notices.getByText(`${name} was deleted.`).waitFor();
  // One notice of one deed.
  expect(await notices.getByRole("button", { name: "Dismiss" }).count()).toBe(1);
  await notices.getByRole("button", { name: "Undo" }).click();
  await link.click();

  await remove();
  await notices.getByRole("button", { name: "Dismiss" }).click();
  await page.reload();
  await page.getByRole("navigation").getByRole("link", { name: "Find rooms" }).click();
  await page.getByRole("heading", { name: "Deleted rooms" }).waitFor();
  expect(await link.count()).toBe(0);
  await a.accessible();
  await a.keep("deleted-rooms");
  await page.goto(`/rooms/${kitchen.id}`);
  await page.getByText(`${name} was deleted.`).waitFor();
  await page.goBack();
  await page.getByRole("button", { name: `Bring it back: ${name}` }).click();
  await link.click();
  await page.getByRole("combobox", { name: `Message to ${name}` }).waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Find rooms" }).click();
  await page.getByLabel("Search public rooms").fill(name);
  await page.getByRole("link", { name: `Open ${name}` }).waitFor();
  expect(await page.getByRole("heading", { name: "Deleted rooms" }).count()).toBe(0);
});

test("the list of rooms stands still while one aims at it", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const first = await room(anna, [ben], { name: "First" });
  const second = await room(anna, [ben], { name: "Second" });
  const visitor = await visitAs(anna, "/");
  const { page } = visitor;
  const links = page.locator("nav a.room");
  const order = async (): Promise<string[]> =>
    (await links.allInnerTexts()).map(text => /First|Second/.exec(text)?.[0] ?? "");
  await expect.poll(order).toEqual(["Second", "First"]);
  await page.clock.install();
  const news = (which: typeof first) => page.getByRole("link", { name: new RegExp(`${which.name}.* unread`) });
  await links.first().hover();
  await say(ben, first, "Here.");
  await news(first).waitFor();
  expect(await order()).toEqual(["Second", "First"]);
  // Not for ever, if the pointer merely lies there.
  await page.clock.runFor(3_000);
  await expect.poll(order).toEqual(["First", "Second"]);
  await page.mouse.move(900, 400);

  await links.last().focus();
  await say(ben, second, "And here.");
  await news(second).waitFor();
  expect(await order()).toEqual(["First", "Second"]);
  await page.getByRole("main").getByRole("button", { name: "Find rooms" }).focus();
  await expect.poll(order).toEqual(["Second", "First"]);
});

test("on small, wide and enlarged pages everything is there, and nothing in the way of it", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const board = await room(anna, [ben], { name: "Accounts of the house", visibility: "private", encryption: "sealed" });
  await say(ben, board, `Short. ${"And then many words that make a long line. ".repeat(12)}`);
  const visitor = await visitAs(anna, `/rooms/${board.id}`, { viewport: { width: 320, height: 568 } });
  const { page } = visitor;
  const box = async (what: ReturnType<typeof page.locator>) => {
    const found = await what.boundingBox();
    if (found === null) throw new Error("It is not to be seen.");
    return { ...found, right: found.x + found.width, bottom: found.y + found.height };
  };
  await article(visitor, "Short.").waitFor();
  expect((await box(page.getByRole("heading", { name: "Accounts of the house" }))).width).toBeGreaterThan(100);
  await article(visitor, "Short.").hover();
  for (const name of ["React with an emoji", "Insert an emoji"]) {
    await page.getByRole("button", { name }).click();
    const panel = page.getByRole("dialog", { name: "Choose an emoji" });
    await panel.getByRole("button", { name: "👍" }).waitFor();
    for (const what of [panel, panel.getByRole("searchbox")]) {
      const { x, y, right, bottom } = await box(what);
      expect([x >= 0, y >= 0, right <= 320, bottom <= 568]).toEqual([true, true, true, true]);
    }
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "detached" });
  }
  // What covers the room says which room it is.
  const beside = page.getByRole("complementary");
  await page.getByRole("button", { name: "About this room" }).click();
  await beside.locator("header").getByText("Accounts of the house").waitFor();
  await beside.getByRole("button", { name: "Close" }).click();

  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("button", { name: "About this room" }).click();
  await beside.getByRole("button", { name: "Close" }).hover();
  const hint = await box(page.locator(".tooltip"));
  const tab = await box(page.getByRole("tab", { name: "Moderation" }));
  expect(hint.bottom <= tab.y || hint.right <= tab.x).toBe(true);
  await page.emulateMedia({ forcedColors: "active" });
  const outline = (what: ReturnType<typeof page.locator>) => what.evaluate(node => getComputedStyle(node).outlineStyle);
  expect(await outline(page.getByRole("navigation").getByRole("link", { name: /Accounts/ }))).toBe("solid");
  expect(await outline(page.getByRole("navigation").getByRole("link", { name: "Find rooms" }))).not.toBe("solid");
  await page.emulateMedia({ forcedColors: "none" });
  await page.keyboard.press("Escape");

  await page.setViewportSize({ width: 1920, height: 1080 });
  expect((await box(article(visitor, "Short.").locator(".body"))).width).toBeLessThan(900);
  await page.evaluate(() => {
    document.documentElement.style.fontSize = "200%";
  });
  const lineHeight = () =>
    page.getByRole("combobox", { name: /^Message to/ }).evaluate(node => {
      const { lineHeight, fontSize } = getComputedStyle(node);
      return Number.parseFloat(lineHeight) / Number.parseFloat(fontSize);
    });
  expect(await lineHeight()).toBeGreaterThan(1.2);
});
