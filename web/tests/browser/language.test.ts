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
