/** From nothing to a conversation, as a newcomer does it: by the page alone; and once by the keyboard alone. */

import { expect, test } from "vitest";
import { person, room, useBrowser, type Visitor, visit, visitAs } from "./harness/index.ts";

useBrowser();

const unique = (name: string): string => `${name} ${Date.now().toString(36)}`;

async function register(visitor: Visitor, name: string): Promise<void> {
  const { page } = visitor;
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("Username").fill(`${name.toLowerCase()}-${Date.now().toString(36)}`);
  await page.getByLabel("Display name").fill(name);
  await page.getByLabel("Passphrase", { exact: true }).fill(`a long passphrase of ${name}`);
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.waitForURL("/");
}

test("two people open accounts, meet in a room and talk", async () => {
  const name = unique("Pantry");
  const anna = await visit("/");
  await register(anna, "Anna");
  await anna.page.getByRole("button", { name: "New room" }).first().click();
  await anna.page.getByRole("dialog").getByLabel("Name").fill(name);
  await anna.accessible();
  await anna.page.getByRole("dialog").getByRole("button", { name: "Create room" }).click();
  await anna.page.waitForURL(/\/rooms\/[0-9a-f-]+$/);
  const write = (visitor: Visitor) => visitor.page.getByRole("combobox", { name: `Message to ${name}` });
  await write(anna).fill("Is there **bread**?");
  await write(anna).press("Enter");
  await anna.page.getByText("bread").waitFor();

  const ben = await visit("/");
  await register(ben, "Ben");
  await ben.page.getByRole("navigation").getByRole("link", { name: "Find rooms" }).first().click();
  await ben.page.getByLabel("Search public rooms").fill(name);
  await ben.page.getByRole("button", { name: `Join ${name}` }).click();
  await ben.page.waitForURL(/\/rooms\/[0-9a-f-]+$/);
  await ben.page.locator("strong", { hasText: "bread" }).waitFor();
  await ben.accessible();
  await write(ben).fill("Two loaves.");
  await write(ben).press("Enter");
  // Not what is read out of it.
  await anna.page.getByRole("article").filter({ hasText: "Two loaves." }).waitFor();
  await anna.accessible();
  await anna.keep("conversation");
});

test("everything is reached by the keyboard", async () => {
  const somebody = await person("Keys");
  const made = await room(somebody, [], { name: "Keyboard" });
  const visitor = await visit("/signin");
  const { page } = visitor;
  const { keyboard } = page;
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute("name") ?? document.activeElement?.textContent?.trim());
  /** Tab, until it is there; a page that catches the focus never lets one get there. */
  const tabTo = async (name: string) => {
    for (let step = 0; step < 60; step += 1) {
      if ((await focused()) === name) return;
      await keyboard.press("Tab");
    }
    expect(await focused()).toBe(name);
  };
  await page.getByLabel("Username").waitFor();
  await tabTo("username");
  await keyboard.type(somebody.username);
  await tabTo("password");
  await keyboard.type(somebody.password);
  await keyboard.press("Enter");
  await page.waitForURL("/");

  // Past the list of rooms, at once.
  await page.getByRole("link", { name: "Keyboard" }).waitFor();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the content");

  await page.goto("/settings");
  await page.locator("#page-title").waitFor();
  await tabTo("Appearance");
  await keyboard.press("Enter");
  await page.waitForURL("/settings/appearance");
  await expect.poll(focused).toBe("Appearance");
  await keyboard.press("Tab");
  await keyboard.press("ArrowDown");
  expect(await page.getByRole("radio", { name: "Light" }).isChecked()).toBe(true);

  // A dialog keeps the focus while it is open, and gives it back.
  await page.goto("/settings/data");
  await tabTo("Delete for good");
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  for (let step = 0; step < 12; step += 1) {
    await keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  }
  await keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await expect.poll(focused).toBe("Delete for good");

  // And a message is written.
  await page.goto(`/rooms/${made.id}`);
  await page.getByRole("combobox", { name: "Message to Keyboard" }).focus();
  await keyboard.type("By keys.");
  await keyboard.press("Enter");
  await page.getByRole("article").filter({ hasText: "By keys." }).waitFor();
});

test.each([320, 1920])("the main views fit %i pixels", async width => {
  const [somebody, other] = [await person("Wide"), await person("Narrow")];
  const made = await room(somebody, [other], {
    name: "A name that is rather long for a room",
    topic: "what ".repeat(60).trim(),
  });
  for (let number = 0; number < 12; number += 1) {
    await other.client.api.messages.send(made.id, {
      client_msg_id: String(number),
      body: number % 3 === 0 ? `${"word ".repeat(40)}${"W".repeat(120)}` : `Line ${number}`,
    });
  }
  const visitor = await visitAs(somebody, "/", { viewport: { width, height: 720 } });
  for (const path of ["/", "/rooms", "/search?q=line", "/notifications", "/settings", `/rooms/${made.id}`]) {
    await visitor.page.goto(path);
    await visitor.page.locator("h1, h2").first().waitFor({ state: "attached" });
    await visitor.settled();
    await visitor.page.waitForTimeout(300);
    await visitor.fits();
    await visitor.accessible();
    await visitor.keep(`fits-${path.split("?")[0]}-${width}`);
  }
});
