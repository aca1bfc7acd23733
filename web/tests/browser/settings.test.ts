/** What one can change about oneself. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { person, room, useBrowser, visitAs } from "./harness/index.ts";

useBrowser();

const SECTIONS = ["profile", "appearance", "notifications", "blocks", "password", "sessions", "data"];

test("every section is reached by its address and by the keyboard, in both languages and themes", async () => {
  const somebody = await person("Sara");
  await room(somebody, [], { name: "A room with quite a long name that has to be cut somewhere" });
  for (const options of [
    { viewport: { width: 320, height: 640 } },
    { viewport: { width: 1920, height: 1080 }, locale: "de-DE", colorScheme: "dark" as const },
  ]) {
    const visitor = await visitAs(somebody, "/settings", options);
    const { page } = visitor;
    for (const section of SECTIONS) {
      await page.goto(`/settings/${section}`);
      await page.locator("#page-title").waitFor();
      await visitor.settled();
      await visitor.accessible();
      await visitor.fits();
      await visitor.keep(`settings-${section}-${options.viewport.width}`);
    }
  }
});

test("name and status are what others see", async () => {
  const [somebody, other] = [await person("Paula"), await person("Peter")];
  await room(somebody, [other]);
  const visitor = await visitAs(somebody, "/settings/profile");
  const { page } = visitor;
  await page.getByLabel("Display name").fill("Paula Panther");
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Saved.").waitFor();
  await page.getByRole("radio", { name: "Busy" }).check();
  await page.getByLabel("What you are doing").fill("baking");
  await page.getByRole("button", { name: "Save" }).nth(1).click();
  await expect
    .poll(async () => (await other.client.api.presence.get([somebody.id])).items[0])
    .toMatchObject({ status: "busy", text: "baking" });
  await page.getByRole("switch", { name: "Read receipts" }).click();
  await expect.poll(async () => (await somebody.client.api.users.me()).read_receipts).toBe(false);
});

test("a name can be changed once it is known, and not before", async () => {
  const somebody = await person("Nora");
  const { page } = await visitAs(somebody, "about:blank");
  let go: () => void = () => undefined;
  const held = new Promise<void>(resolve => (go = resolve));
  // Who one is comes with the connection.
  await page.routeWebSocket(/\/ws$/, async socket => {
    await held;
    socket.connectToServer();
  });
  await page.goto("/settings/profile");
  await page.getByRole("button", { name: /^Connecting/ }).waitFor();
  await page.getByText("Invisible").waitFor();
  expect(await page.getByLabel("Display name").count()).toBe(0);
  go();
  await expect.poll(() => page.getByLabel("Display name").inputValue()).toBe("Nora");
});

test("what another device has changed meanwhile is no obstacle", async () => {
  const somebody = await person("Rev");
  const visitor = await visitAs(somebody, "/settings/profile");
  const { page } = visitor;
  await page.getByLabel("Display name").fill("From here");
  const me = await somebody.client.api.users.me();
  await somebody.client.api.users.updateMe({ rev: me.rev, read_receipts: false });
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Saved.").waitFor();
  expect(await somebody.client.api.users.me()).toMatchObject({ display_name: "From here", read_receipts: false });
});

test("somebody is found, blocked and let go again", async () => {
  const [somebody, other] = [await person("Blocker"), await person("Blocked")];
  const visitor = await visitAs(somebody, "/settings/blocks");
  const { page } = visitor;
  await page.getByLabel("Name", { exact: true }).fill(other.username);
  await page.getByRole("button", { name: `Block: ${other.name}` }).click();
  await visitor.accessible();
  await page.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await page.getByRole("button", { name: "Unblock" }).waitFor();
  expect((await somebody.client.api.users.blocks()).items.map(block => block.user_id)).toEqual([other.id]);
  await page.getByRole("button", { name: "Unblock" }).click();
  await page.getByText("You have blocked nobody.").waitFor();
});

test("a room is told to speak of mentions only", async () => {
  const somebody = await person();
  const made = await room(somebody, [], { name: "Loud" });
  const visitor = await visitAs(somebody, "/settings/notifications");
  await visitor.page.getByRole("combobox", { name: "Loud" }).selectOption("mentions");
  await expect
    .poll(async () => (await somebody.client.api.rooms.get(made.id)) as object)
    .toMatchObject({ notify: "mentions" });
});

test("another session is ended, and this one stays", async () => {
  const somebody = await person("Multi");
  const visitor = await visitAs(somebody, "/settings/sessions");
  const { page } = visitor;
  await page.getByRole("button", { name: "End", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End" }).click();
  await page.getByText("The session has ended.").waitFor();
  await page.reload();
  await page.getByText("This one").waitFor();
  expect(await page.getByRole("button", { name: "End", exact: true }).count()).toBe(0);
});

test("the passphrase is changed, and one goes on without signing in again", async () => {
  const somebody = await person("Pass");
  const visitor = await visitAs(somebody, "/settings/password", { troubled: true });
  const { page } = visitor;
  await page.getByLabel("Present passphrase").fill(somebody.password);
  await page.getByLabel("New passphrase").fill("an even longer passphrase");
  await page.getByRole("button", { name: "Change the passphrase" }).click();
  await page.getByText("The passphrase is changed").waitFor();
  await page.goto("/settings/sessions");
  await page.getByText("This one").waitFor();
});

test("theme and language are chosen at once and kept", async () => {
  const somebody = await person();
  const visitor = await visitAs(somebody, "/settings/appearance");
  const { page } = visitor;
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByRole("radio", { name: "Dark" }).check();
  expect(await background()).not.toBe(light);
  await visitor.accessible();
  await page.getByLabel("Language").selectOption("de");
  await page.getByRole("heading", { name: "Darstellung" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("de");
  await page.reload();
  await page.getByRole("heading", { name: "Darstellung" }).waitFor();
  expect(await background()).not.toBe(light);
});

test("everything that is kept of one comes as a file", async () => {
  const somebody = await person("Export");
  await room(somebody, [], { name: "Mine" });
  const visitor = await visitAs(somebody, "/settings/data");
  const { page } = visitor;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download everything" }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^parley-export-\S+\.ndjson$/);
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
  expect(lines.map(line => JSON.parse(line).type)).toContain("end");
  await page.getByText(`Whole: ${lines.length} lines.`).waitFor();
});
