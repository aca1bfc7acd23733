/** Other people: how far one's messages have come to them, who they are, and whom one does not want to hear from. */

import { expect, test } from "vitest";
import { type Person, person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor, where = "Kitchen") => page.getByRole("combobox", { name: `Message to ${where}` });
const card = ({ page }: Visitor, { name }: Person) => page.getByRole("dialog", { name });

async function write(visitor: Visitor, text: string): Promise<void> {
  await field(visitor).fill(text);
  await field(visitor).press("Enter");
}

/** What the marks of a message of one's own say. */
const marked = (visitor: Visitor, text: string, status: string) =>
  article(visitor, text).locator(".ticks").getByText(status, { exact: true }).waitFor({ state: "attached" });

test("a message is sent, delivered and read, as its writer sees it come, for one and for several", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const [pair, kitchen] = [await room(anna, [ben], { name: "Pantry" }), await room(anna, [ben, cleo])];
  const a = await visitAs(anna, `/rooms/${pair.id}`);
  await field(a, "Pantry").fill("To one");
  await field(a, "Pantry").press("Enter");
  await marked(a, "To one", "Sent");
  await a.accessible();
  // There, and looking at something else.
  const b = await visitAs(ben);
  await b.page.getByRole("button", { name: /^Connected/ }).waitFor();
  await field(a, "Pantry").fill("And again");
  await field(a, "Pantry").press("Enter");
  await marked(a, "And again", "Delivered");
  await marked(a, "To one", "Delivered");
  await b.page.getByRole("link", { name: /^Pantry/ }).click();
  await article(b, "And again").waitFor();
  await marked(a, "And again", "Read");
  await marked(a, "To one", "Read");

  await a.page.getByRole("link", { name: /^Kitchen/ }).click();
  await write(a, "To both");
  await marked(a, "To both", "Delivered to 1, read by 0 of 2");
  const c = await visitAs(cleo, `/rooms/${kitchen.id}`);
  await article(c, "To both").waitFor();
  await marked(a, "To both", "Delivered to 2, read by 1 of 2");
  await b.page.getByRole("link", { name: /^Kitchen/ }).click();
  await marked(a, "To both", "Delivered to 2, read by 2 of 2");
  // Asked for anew, it is the same.
  await a.page.reload();
  await marked(a, "To both", "Delivered to 2, read by 2 of 2");
  await a.keep("ticks");
});

test("a blocked person is not heard, here or in private, until one unblocks him", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const kitchen = await room(anna, [ben, cleo]);
  const direct = await anna.client.api.rooms.direct([ben.id]);
  await say(ben, direct, "A word in private");
  await anna.client.api.sync.markRead(kitchen.id, 1_000);
  await anna.client.api.sync.markRead(direct.id, 1_000);
  await anna.client.api.users.block(ben.id);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`);
  await field(a).waitFor();
  await a.page.getByRole("link", { name: /^Ben/ }).waitFor();
  await a.page.getByRole("link", { name: "Find rooms" }).click();
  await say(ben, kitchen, `Hear me, @${anna.username}`);
  await say(ben, kitchen, "Nobody listens");
  await say(cleo, kitchen, `And me, @${anna.username}?`);

  // One calls, the other does not.
  await a.page.getByRole("link", { name: /Kitchen.*1 notification$/ }).click();
  await article(a, "And me").waitFor();
  expect(await article(a, "And me").getAttribute("class")).toContain("mentioned");
  const folded = article(a, "A message of somebody whom you have blocked.");
  expect(await folded.count()).toBe(2);
  expect(await a.page.getByText("Hear me").count()).toBe(0);
  expect(await folded.first().getAttribute("class")).not.toContain("mentioned");
  await a.accessible();
  await a.keep("blocked");
  await folded.first().getByRole("button", { name: "Show" }).click();
  await article(a, "Hear me").waitFor();
  expect(await article(a, "Hear me").getAttribute("class")).not.toContain("mentioned");
  expect(await article(a, "Hear me").locator(".mention.me").count()).toBe(0);
  expect(await folded.count()).toBe(1);

  // By his name: it is said why one cannot write to him, and what helps.
  await article(a, "Hear me").getByRole("button", { name: "Ben" }).click();
  await card(a, ben).getByRole("button", { name: "Unblock" }).waitFor();
  await card(a, ben).getByRole("button", { name: "Write a direct message" }).click();
  await a.page.getByText("You have blocked Ben. Unblock to write to each other.").waitFor();
  await a.page.getByRole("button", { name: "Dismiss" }).click();
  await a.page.getByRole("link", { name: /^Ben/ }).click();
  await article(a, "A message of somebody whom you have blocked.").waitFor();
  expect(await field(a, "Ben").count()).toBe(0);
  await a.page.getByText("You have blocked Ben. Unblock to write to each other.").waitFor();
  await a.accessible();
  await a.keep("blocked-direct");
  await a.page.getByRole("main").getByRole("button", { name: "Unblock" }).click();
  await field(a, "Ben").fill("Well?");
  await field(a, "Ben").press("Enter");
  await article(a, "A word in private").waitFor();
  await a.page.getByRole("link", { name: /^Kitchen/ }).click();
  await article(a, "Nobody listens").waitFor();
  expect(await article(a, "Hear me").getAttribute("class")).toContain("mentioned");
  await expect.poll(async () => (await ben.client.api.messages.page(direct.id)).items.at(-1)?.body).toBe("Well?");
});

test("what a blocked person has written is folded wherever else it stands", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const pinned = await say(ben, kitchen, `Marzipan for @${anna.username}`);
  await anna.client.api.messages.pin(kitchen.id, pinned.id);
  await say(anna, kitchen, "No marzipan here");
  const found = async () => (await anna.client.api.search.messages({ q: "marzipan" })).items.length;
  await expect.poll(found, { timeout: 20_000 }).toBe(2);
  await expect.poll(async () => (await anna.client.api.notifications.list()).items.length).toBe(1);
  await anna.client.api.users.block(ben.id);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`);
  const { page } = a;

  async function unfold(text: RegExp, where = page.getByRole("main")): Promise<void> {
    const folded = where.getByText("A message of somebody whom you have blocked.");
    await folded.waitFor();
    expect(await where.getByText(text).count()).toBe(0);
    await a.accessible();
    await where.getByRole("button", { name: "Show", exact: true }).click();
    await where.getByText(text).first().waitFor();
    expect(await folded.count()).toBe(0);
  }

  await article(a, "No marzipan").waitFor();
  await page.getByRole("button", { name: "About this room" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByRole("tab", { name: "Pinned" }).click();
  await unfold(/Marzipan for/, panel);
  await page.goto("/search?q=marzipan");
  await page.getByText("2 messages", { exact: true }).waitFor();
  await unfold(/Marzipan for/);
  await page.goto("/notifications");
  await unfold(/Ben mentioned you/);
});

test("a name leads to who it is and what one can do, by pointer and by keys", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const kitchen = await room(anna, [ben, cleo]);
  await say(ben, kitchen, "Who are you?");
  await say(anna, kitchen, "Guess.");
  await ben.client.connect();
  await ben.client.api.presence.set({ status: "busy", text: "kneading dough" });
  const [a, c] = [await visitAs(anna, `/rooms/${kitchen.id}`), await visitAs(cleo, `/rooms/${kitchen.id}`)];
  for (const visitor of [a, c]) {
    await article(visitor, "Who are you?").getByRole("button", { name: "Ben" }).click();
    await card(visitor, ben).getByText(`@${ben.username}`).waitFor();
    await card(visitor, ben).getByText("kneading dough").waitFor();
    await card(visitor, ben).getByRole("img", { name: "Busy" }).waitFor();
  }
  expect(await card(c, ben).getByRole("button").allInnerTexts()).toEqual(["Write a direct message", "Block"]);
  await card(a, ben).getByRole("button", { name: "Mute …" }).waitFor();
  await a.accessible();
  await a.keep("card");

  // Muted from there; what is dealt with in the dialog stays when the card goes.
  await card(a, ben).getByRole("button", { name: "Mute …" }).click();
  await a.page.getByRole("dialog", { name: "Mute Ben?" }).getByRole("button", { name: "Mute" }).click();
  await expect.poll(async () => (await anna.client.api.moderation.mutes(kitchen.id)).items.length).toBe(1);
  await a.page.getByRole("dialog").waitFor({ state: "detached" });

  // By keys: from the message to its name, and back to it; with the picture beside it one comes to the same.
  await c.page.keyboard.press("Escape");
  await card(c, ben).waitFor({ state: "detached" });
  await article(c, "Who are you?").focus();
  await c.page.keyboard.press("Tab");
  expect(await c.page.evaluate(() => document.activeElement?.textContent?.trim())).toBe("Ben");
  await c.page.keyboard.press("Enter");
  await card(c, ben).waitFor();
  await c.page.keyboard.press("Escape");
  await card(c, ben).waitFor({ state: "detached" });
  await expect.poll(() => c.page.evaluate(() => document.activeElement?.textContent?.trim())).toBe("Ben");
  await article(c, "Guess.").locator(".avatar").click();
  await card(c, anna).getByRole("button", { name: "Write a direct message" }).click();
  await field(c, "Anna").waitFor();

  // One's own: who one is, and nothing to do about it. On a phone it fits.
  await a.page.setViewportSize({ width: 320, height: 640 });
  await article(a, "Guess.").getByRole("button", { name: "Anna" }).click();
  await card(a, anna).getByText(`@${anna.username}`).waitFor();
  expect(await card(a, anna).getByRole("button").count()).toBe(0);
  await a.fits();
  await a.accessible();
  await a.keep("card-320");
});

test("in a sealed room it is said why nothing is searched", async () => {
  const anna = await person("Anna");
  const sealed = await room(anna, [], { name: "Board", visibility: "private", encryption: "sealed" });
  const a = await visitAs(anna, `/rooms/${sealed.id}`);
  await a.page.getByRole("button", { name: "Search in this room" }).click();
  await a.page.getByText("Sealed rooms are not searched").waitFor();
  await a.accessible();
  await a.keep("search-sealed");
  const box = a.page.getByRole("searchbox", { name: "Search messages" });
  await box.fill("anything");
  await box.press("Enter");
  await a.page.getByText("Sealed rooms are not searched").waitFor();
  await a.page.getByRole("combobox", { name: "Room" }).selectOption({ label: "All rooms" });
  await a.page.getByText("Nothing found").waitFor();
});
