/** Whoever reads German reads nothing in English. */

import { expect, test } from "vitest";
import { person, room, useBrowser, visitAs } from "./harness/index.ts";

useBrowser();

test("who can read what is said in the reader's language", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const direct = await anna.client.api.rooms.direct([ben.id]);
  const rooms = [
    await room(anna, [], { name: "Küche" }),
    await room(anna, [], { name: "Tresor", encryption: "sealed", visibility: "private", history: "since_join" }),
    direct,
  ];
  const a = await visitAs(anna, `/rooms/${rooms[0]?.id}`, { locale: "de-DE" });
  const { page } = a;
  const section = page.getByRole("region", { name: "Wer was lesen kann" });
  for (const { id } of rooms) {
    const { can_read, cannot_read, not_protected, summary } = await anna.client.api.rooms.privacy(id);
    await page.goto(`/rooms/${id}`);
    await page.getByRole("button", { name: "Über diesen Raum" }).click();
    await section.getByText(/^(Offen|Versiegelt): /).waitFor();
    const sentences = [...can_read, ...cannot_read, ...not_protected];
    expect(await section.getByRole("listitem").count()).toBe(sentences.length);
    const text = (await section.textContent()) ?? "";
    expect([summary, ...sentences].filter(sentence => text.includes(sentence))).toEqual([]);
    await a.keep(`privacy-de-${rooms.findIndex(each => each.id === id)}`);
  }
  await section.getByText("seine Mitglieder").waitFor();
});

test("emoji are called and found in the reader's language, and by English words too", async () => {
  const anna = await person("Anna");
  const { id } = await room(anna, [], { name: "Küche" });
  const { page } = await visitAs(anna, `/rooms/${id}`, { locale: "de-DE" });
  await page.getByRole("button", { name: "Emoji einfügen" }).click();
  const panel = page.getByRole("dialog", { name: "Emoji wählen" });
  for (const query of ["rakete", "rocket"]) {
    await panel.getByRole("searchbox", { name: "Emoji suchen" }).fill(query);
    await panel.getByRole("button", { name: "Rakete" }).waitFor();
  }
  await page.keyboard.press("Enter");
  const field = page.getByRole("combobox", { name: "Nachricht an Küche" });
  await expect.poll(() => field.inputValue()).toBe("🚀");
  for (const begun of [" :träne", ":smile"]) {
    await field.pressSequentially(begun);
    await page.getByRole("option").first().waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("option").first().waitFor({ state: "detached" });
  }
  expect(await field.inputValue()).toMatch(/^🚀 \S+ 😄 $/u);
  const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  expect(loaded.filter(name => name.endsWith(".json"))).toEqual([expect.stringContaining("/assets/emoji-de-")]);
});
