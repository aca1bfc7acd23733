/** What becomes of what one writes: kept, taken back, held, completed; and with whom one begins to write. */

import { expect, test } from "vitest";
import { type Person, person, room, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor, where = "Kitchen") => page.getByRole("combobox", { name: `Message to ${where}` });
const inList = ({ page }: Visitor, name: string) =>
  page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: new RegExp(name) });

async function write(visitor: Visitor, text: string): Promise<void> {
  await field(visitor).fill(text);
  await field(visitor).press("Enter");
}

test("what waits or was refused is taken back into the field, or tried again", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const { id } = kitchen;
  await anna.client.api.rooms.update(id, { rev: kitchen.rev, slow_mode_s: 600 });
  const b = await visitAs(ben, `/rooms/${id}`);
  await write(b, "The first one");
  await write(b, "Too soon");
  await article(b, "Too soon").getByRole("button", { name: "Take back" }).click();
  await article(b, "Too soon").waitFor({ state: "detached" });
  expect(await field(b).inputValue()).toBe("Too soon");

  const { rev } = await anna.client.api.rooms.get(id);
  await anna.client.api.rooms.update(id, { rev, slow_mode_s: 0 });
  await anna.client.api.moderation.mute(id, { user_id: ben.id, minutes: 30 });
  const note = b.page.getByText(/^You are muted in this room until .*: you can read, and not write\.$/);
  await note.waitFor();
  await b.accessible();
  await b.keep("composer-muted");
  await field(b).press("Enter");
  await article(b, "Too soon").getByText("Not sent").waitFor();
  await field(b).fill("And more");
  await article(b, "Too soon").getByRole("button", { name: "Take back" }).click();
  await article(b, "Too soon").waitFor({ state: "detached" });
  expect(await field(b).inputValue()).toBe("Too soon\nAnd more");

  await field(b).press("Enter");
  const again = article(b, "And more").getByRole("button", { name: "Try again" });
  await again.waitFor();
  await anna.client.api.moderation.unmute(id, ben.id);
  await note.waitFor({ state: "detached" });
  await again.click();
  await article(b, "And more")
    .getByText("Sent")
    .or(article(b, "And more").getByText("Delivered"))
    .first()
    .waitFor({ state: "attached" });
  expect((await anna.client.api.messages.page(id)).items.map(({ body }) => body)).toEqual([
    "The first one",
    "Too soon\nAnd more",
  ]);
});

test("who was muted before he came learns it when he writes", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  await anna.client.api.moderation.mute(id, { user_id: ben.id });
  const b = await visitAs(ben, `/rooms/${id}`);
  await write(b, "Am I heard?");
  await article(b, "Am I heard?").getByText("Not sent").waitFor();
  await b.page.getByText("You are muted in this room: you can read, and not write.").waitFor();
});

test("a draft waits in its room, and is nobody else's", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  await room(anna, [ben], { name: "Garden" });
  const a = await visitAs(anna, `/rooms/${id}`);
  await field(a).pressSequentially("Half a sen");
  await inList(a, "Garden").click();
  await field(a, "Garden").waitFor();
  await inList(a, "Kitchen").click();
  expect(await field(a).inputValue()).toBe("Half a sen");
  await field(a).fill("x".repeat(8_100));
  await a.page.getByText("8,100 of 8,000 characters").waitFor();

  await a.page.goto("/settings/sessions");
  await a.page.getByRole("button", { name: "Sign out here" }).click();
  await a.page.getByLabel("Username").waitFor();
  expect(await a.page.evaluate(() => sessionStorage.length)).toBe(0);
  await a.signIn(ben.username, ben.password);
  await inList(a, "Kitchen").click();
  await field(a).waitFor();
  expect(await field(a).inputValue()).toBe("");
});

test("what Enter completes is chosen by keys, or by a mouse that moves", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const { id } = await room(anna, [ben, cleo]);
  const a = await visitAs(anna, `/rooms/${id}`);
  const options = a.page.getByRole("option");
  await field(a).pressSequentially("@");
  await options.nth(1).hover();
  await a.page.keyboard.press("Escape");
  await options.first().waitFor({ state: "detached" });
  // Now it rests where the second one will be.
  await field(a).fill("");
  await field(a).pressSequentially("@");
  await options.nth(1).waitFor();
  await expect.poll(() => options.first().getAttribute("aria-selected")).toBe("true");
  await a.page.keyboard.press("Enter");
  await expect.poll(() => field(a).inputValue()).toBe(`@${ben.username} `);
  await field(a).pressSequentially("@");
  await options.nth(1).waitFor();
  await a.page.mouse.move(...(await within(options.nth(1))));
  await expect.poll(() => options.nth(1).getAttribute("aria-selected")).toBe("true");
  await a.page.keyboard.press("Enter");
  await expect.poll(() => field(a).inputValue()).toBe(`@${ben.username} @${cleo.username} `);
  await field(a).pressSequentially(":rocket");
  await a.page.getByRole("option", { name: /^rocket/ }).waitFor();
  await a.page.keyboard.press("Enter");
  await expect.poll(() => field(a).inputValue()).toBe(`@${ben.username} @${cleo.username} 🚀 `);
});

/** A place in it where the mouse is not yet. */
async function within(target: ReturnType<Visitor["page"]["locator"]>): Promise<[number, number]> {
  const box = await target.boundingBox();
  if (box === null) throw new Error("It is not seen.");
  return [box.x + 20, box.y + 10];
}

test("the same people have one conversation, with one or with three", async () => {
  const [anna, ben, cleo, dora] = [
    await person("Anna"),
    await person("Ben"),
    await person("Cleo"),
    await person("Dora"),
  ];
  const [a, b] = [await visitAs(anna), await visitAs(ben)];
  const { page } = a;
  async function start(...people: Person[]): Promise<string> {
    await page.getByRole("navigation").getByRole("button", { name: "New direct message" }).click();
    const dialog = page.getByRole("dialog", { name: "New direct message" });
    for (const { username, name } of people) {
      await dialog.getByRole("searchbox", { name: "Find people by name" }).fill(`@${username}`);
      await dialog.getByRole("button", { name: `Add: ${name}` }).click();
      await dialog.getByRole("button", { name: `Remove ${name}` }).waitFor();
    }
    if (people.length > 1) await a.accessible();
    await dialog.getByRole("button", { name: "Start" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.waitForURL(/\/rooms\//);
    return new URL(page.url()).pathname;
  }
  const two = await start(ben);
  await field(a, "Ben").fill("Only you");
  await field(a, "Ben").press("Enter");
  await inList(b, "Anna.* notification").waitFor();
  await inList(b, "Anna").click();
  await article(b, "Only you").waitFor();

  const four = await start(ben, cleo, dora);
  expect(four).not.toBe(two);
  for (const { name } of [ben, cleo, dora]) await page.getByRole("heading", { level: 1, name }).waitFor();
  expect(await start(ben)).toBe(two);
  expect(await start(dora, ben, cleo)).toBe(four);
  expect((await anna.client.api.rooms.list()).items).toHaveLength(2);
});
