/** Finding messages: with each filter, page by page, there and back; and what is never found. */

import { expect, test } from "vitest";
import { landscape, person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const words = ({ page }: Visitor) => page.getByRole("searchbox", { name: "Search messages" });
const hits = ({ page }: Visitor) => page.getByRole("main").getByRole("listitem");

async function search(visitor: Visitor, text: string): Promise<void> {
  await words(visitor).fill(text);
  await words(visitor).press("Enter");
}

/** What is found, in its order. */
async function finds(visitor: Visitor, ...texts: (string | RegExp)[]): Promise<void> {
  await expect
    .poll(() => hits(visitor).locator(".text").allInnerTexts())
    .toEqual(texts.map(text => expect.stringMatching(text)));
}

/** A day in the browser's own time, as its field for dates takes it. */
const day = (visitor: Visitor, from: number) =>
  visitor.page.evaluate(days => {
    const at = new Date();
    at.setDate(at.getDate() + days);
    return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map(part => String(part).padStart(2, "0")).join("-");
  }, from);

test("each filter narrows what is found, the address keeps them, and a hit leads there and back", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const [kitchen, garden] = [await room(anna, [ben]), await room(anna, [ben], { name: "Garden" })];
  const sealed = await room(anna, [], { name: "Board", visibility: "private", encryption: "sealed" });
  const root = await say(ben, kitchen, "The marzipan is **ready**");
  await ben.client.api.messages.send(kitchen.id, {
    client_msg_id: "reply",
    body: "No marzipan for me",
    thread_root_id: root.id,
  });
  await say(anna, garden, "Marzipan among the roses?");
  const image = await ben.client.api.media.upload(new Blob([landscape(64, 36)], { type: "image/png" }));
  await ben.client.api.messages.send(garden.id, {
    client_msg_id: "image",
    body: "A rose of marzipan",
    media_ids: [image.id],
  });
  await say(anna, sealed, "Marzipan is a secret");
  const removed = await say(ben, garden, "Marzipan, removed");
  await anna.client.api.messages.delete(garden.id, removed.id, "Off topic");
  const found = async () => (await anna.client.api.search.messages({ q: "marzipan" })).items.length;
  await expect.poll(found).toBe(4);

  const a = await visitAs(anna, "/search");
  await a.page.getByText("Find what was said").waitFor();
  await search(a, "marzipan");
  await finds(a, "A rose of marzipan", "Marzipan among the roses?", "No marzipan for me", /The marzipan is/);
  await a.page.getByText("4 messages").waitFor();
  expect(await a.page.locator("mark").allInnerTexts()).toEqual(["marzipan", "Marzipan", "marzipan", "marzipan"]);
  await a.accessible();

  const rooms = a.page.getByRole("combobox", { name: "Room" });
  expect(await rooms.locator("option").allInnerTexts()).not.toContain("Board");
  await rooms.focus();
  await rooms.selectOption({ label: "Garden" });
  await finds(a, "A rose of marzipan", "Marzipan among the roses?");
  // Who chooses by keys stays where he is.
  expect(await rooms.evaluate(node => node === document.activeElement)).toBe(true);
  await a.page.getByRole("checkbox", { name: "With images" }).check();
  await finds(a, "A rose of marzipan");
  await a.page.getByRole("checkbox", { name: "With images" }).uncheck();
  await rooms.selectOption({ label: "All rooms" });
  await search(a, `marzipan from:${ben.username} -rose`);
  await finds(a, "No marzipan for me", /The marzipan is/);
  await search(a, "marzipan in:Garden");
  await finds(a, "A rose of marzipan", "Marzipan among the roses?");

  // Days are those of whoever looks: today is in, yesterday and tomorrow are not.
  await search(a, "marzipan");
  await a.page.getByLabel("From", { exact: true }).fill(await day(a, 0));
  await a.page.getByLabel("Before", { exact: true }).fill(await day(a, 1));
  await expect.poll(() => hits(a).count()).toBe(4);
  await a.page.getByLabel("From", { exact: true }).fill(await day(a, 1));
  await a.page.getByText("Nothing found").waitFor();
  await a.page.getByLabel("From", { exact: true }).fill("");
  await a.page.getByLabel("Before", { exact: true }).fill(await day(a, 0));
  await a.page.getByText("Nothing found").waitFor();
  await a.page.getByLabel("Before", { exact: true }).fill("");

  // Filters alone, and all of them kept by a reload.
  await search(a, "");
  await a.page.getByRole("checkbox", { name: "With images" }).check();
  await finds(a, "A rose of marzipan");
  await rooms.selectOption({ label: "Garden" });
  await a.page.waitForURL(/room=/);
  await a.page.reload();
  await finds(a, "A rose of marzipan");
  expect(await a.page.getByRole("checkbox", { name: "With images" }).isChecked()).toBe(true);
  expect(await rooms.locator("option:checked").textContent()).toBe("Garden");

  // There and back; a reply is shown in its thread.
  await hits(a).getByRole("link").first().click();
  await a.page.getByRole("article").filter({ hasText: "A rose of marzipan" }).waitFor();
  await a.page.goBack();
  await finds(a, "A rose of marzipan");
  await a.page.getByRole("checkbox", { name: "With images" }).uncheck();
  await rooms.selectOption({ label: "All rooms" });
  await search(a, '"no marzipan"');
  await finds(a, "No marzipan for me");
  await hits(a).getByRole("link").first().click();
  await a.page.getByRole("complementary", { name: "Thread" }).getByText("No marzipan for me").waitFor();

  // Who is in none of these rooms finds nothing of them.
  const c = await visitAs(await person("Cleo"), "/search?q=marzipan");
  await c.page.getByText("Nothing found").waitFor();
  await c.accessible();
});

test("many hits come page by page, strange input is answered, and nothing of it breaks the page", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  for (let number = 1; number <= 60; number += 1) await say(anna, kitchen, `Pancake ${number}.`);
  await say(anna, kitchen, 'Say "<b>syrup</b>" & 👍 twice');
  await expect.poll(async () => (await anna.client.api.search.messages({ q: "syrup" })).items.length).toBe(1);
  const a = await visitAs(anna, "/search?q=pancake");
  await expect.poll(() => hits(a).count()).toBe(50);
  await a.page.getByRole("button", { name: "Show more" }).click();
  await expect.poll(() => hits(a).count()).toBe(60);
  const texts = await hits(a).locator(".text").allInnerTexts();
  expect(texts).toEqual(Array.from({ length: 60 }, (_, at) => `Pancake ${60 - at}.`));
  expect(await a.page.getByRole("button", { name: "Show more" }).count()).toBe(0);

  await search(a, "<b>syrup</b>");
  await finds(a, /<b>syrup<\/b>/);
  await search(a, "👍");
  await finds(a, /syrup/);
  // Text that looks like something else is text; what cannot be meant is refused in words.
  for (const strange of ["\\'; DROP TABLE messages; --", "to:alice http:", '"no end', "\u202Eabc", "y".repeat(200)]) {
    await search(a, strange);
    await a.page.getByText("Nothing found").waitFor();
    expect(await words(a).inputValue()).toBe(strange);
  }
  for (const refused of ["before:yesterday", "has:cake", "-pancake", "%_%", "(((("]) {
    await search(a, refused);
    await a.page.getByRole("alert").getByText("There is nothing to look for in this.").waitFor();
    expect(await hits(a).count()).toBe(0);
  }
  await a.accessible();
  await a.keep("search-refused");
  await search(a, "Pancake 7.");
  await finds(a, "Pancake 7.");
  expect(await a.page.getByRole("alert").count()).toBe(0);
});
