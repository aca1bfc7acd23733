/** Two people in conversation, with everything that one does to messages; and what becomes of it when the connection goes. */

import type { MyRoom } from "@parley/client";
import { expect, test } from "vitest";
import { kill, type Person, person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor, where = "Kitchen") => page.getByRole("combobox", { name: `Message to ${where}` });

async function write(visitor: Visitor, text: string, where?: string): Promise<void> {
  await field(visitor, where).fill(text);
  await field(visitor, where).press("Enter");
}

/** The toolbar of a message comes when one points at it. */
async function act(visitor: Visitor, text: string, name: string): Promise<void> {
  await article(visitor, text).hover();
  await article(visitor, text).getByRole("button", { name, exact: true }).click();
}

async function choose(visitor: Visitor, text: string, item: string): Promise<void> {
  await act(visitor, text, "More");
  await visitor.page.getByRole("menuitem", { name: item }).click();
}

async function pair(): Promise<{ anna: Person; ben: Person; roomId: string; a: Visitor; b: Visitor }> {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id: roomId } = await room(anna, [ben]);
  const [a, b] = [await visitAs(anna, `/rooms/${roomId}`), await visitAs(ben, `/rooms/${roomId}`)];
  await field(a).waitFor();
  await field(b).waitFor();
  return { anna, ben, roomId, a, b };
}

test("what one writes the other sees, edits, reactions, threads, pins and deletions too", async () => {
  const { a, b } = await pair();
  await write(a, "Is there **bread** left? https://example.org/bakery");
  await article(b, "bread").locator("strong", { hasText: "bread" }).waitFor();
  expect(await article(b, "bread").getByRole("link").getAttribute("rel")).toContain("noopener");

  // Seen, and said so.
  await article(a, "bread").getByText("Read", { exact: true }).waitFor({ state: "attached" });

  await act(b, "bread", "Like");
  await article(a, "bread").getByRole("button", { name: "Like, 1" }).waitFor();
  await act(b, "bread", "React with an emoji");
  await b.page.getByRole("dialog", { name: "Choose an emoji" }).getByRole("button", { name: "🎉" }).click();
  await article(a, "bread").getByRole("button", { name: "🎉, 1" }).waitFor();

  await act(a, "bread", "Edit");
  // What stands in a field is no text of the message any more.
  const edit = a.page.getByRole("article").getByRole("textbox", { name: "Edit" });
  await edit.fill("Is there any cake left?");
  await edit.press("Enter");
  await article(b, "cake").getByText("edited").waitFor();
  await choose(a, "cake", "Earlier versions");
  await a.page.getByRole("dialog").getByText("bread").waitFor();
  await a.accessible();
  await a.page.keyboard.press("Escape");

  await act(b, "cake", "Reply in a thread");
  const reply = b.page.getByRole("combobox", { name: "Reply in this thread" });
  await reply.fill("Two pieces.");
  await reply.press("Enter");
  await b.accessible();
  await b.keep("thread");
  await article(a, "cake").getByRole("button", { name: "1 reply" }).click();
  await a.page.getByRole("complementary", { name: "Thread" }).getByText("Two pieces.").waitFor();
  await a.page.getByRole("button", { name: "Close thread" }).click();

  await choose(a, "cake", "Pin");
  await article(b, "cake").getByText("Pinned").first().waitFor();
  await write(a, "To be forgotten");
  await article(b, "To be forgotten").waitFor();
  await choose(a, "To be forgotten", "Delete");
  await a.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await b.page.getByText("This message was deleted.").waitFor();
  expect(await b.page.getByText("To be forgotten").count()).toBe(0);
  await a.accessible();
  await a.keep("room");
});

test("names are completed, a mention calls, and one jumps to it", async () => {
  const { anna, ben, roomId, a, b } = await pair();
  // That he was invited counts as a mention until the server has noted down that he has seen the room.
  await expect.poll(async () => (await ben.client.api.rooms.get(roomId)) as MyRoom).toMatchObject({ mentions: 0 });
  await b.page.goto("/rooms");
  await field(a).fill("");
  await field(a).pressSequentially("Look here, @be");
  await a.page.getByRole("option", { name: "Ben" }).waitFor();
  await field(a).press("Tab");
  expect(await field(a).inputValue()).toBe(`Look here, @${ben.username} `);
  await field(a).press("Enter");
  await b.page.getByRole("link", { name: /Kitchen.*1 notification$/ }).waitFor();
  await expect.poll(() => b.page.title()).toContain("(1)");
  await b.page
    .getByRole("navigation")
    .getByRole("link", { name: /Notifications/ })
    .click();
  await b.page.getByRole("link", { name: new RegExp(`${anna.name} mentioned you`) }).click();
  await article(b, "Look here").waitFor();
  await expect.poll(() => b.page.title()).not.toContain("(1)");
});

test("one sees who is there and who types", async () => {
  const { anna, a, b } = await pair();
  await field(b).pressSequentially("Well, I think");
  await a.page.getByText("Ben is typing").waitFor();
  await field(b).press("Enter");
  await a.page.getByText("Ben is typing").waitFor({ state: "detached" });
  await a.page.getByRole("button", { name: "2 members" }).click();
  await a.page.getByRole("complementary").getByRole("img", { name: "Online" }).first().waitFor();
  await a.accessible();
  await b.page.getByRole("button", { name: /Status, settings/ }).click();
  await b.page.getByRole("menuitem", { name: "Busy" }).click();
  await a.page.getByRole("complementary").getByRole("img", { name: "Busy" }).waitFor();
  expect(anna.id).not.toBe("");
});

test("images are chosen, taken back, sent and viewed", async () => {
  const { a, b } = await pair();
  const picture = await a.page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 400 });
    const context = canvas.getContext("2d");
    context?.fillRect(40, 40, 300, 200);
    const blob = await new Promise<Blob | null>(resolve => canvas.toBlob(resolve));
    return [...new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0))];
  });
  const files = ["one.png", "two.png"].map(name => ({ name, mimeType: "image/png", buffer: Buffer.from(picture) }));
  await a.page.locator('input[type="file"]').setInputFiles(files);
  await a.page.getByRole("button", { name: "Remove two.png" }).click();
  await field(a).fill("The kitchen at noon");
  await expect.poll(() => a.page.getByRole("button", { name: "Send", exact: true }).isEnabled()).toBe(true);
  await field(a).press("Enter");
  const view = article(b, "The kitchen at noon").getByRole("button", { name: /View image/ });
  await view.waitFor();
  expect(await view.count()).toBe(1);
  await expect
    .poll(() => view.locator("img").evaluate(img => (img as HTMLImageElement).naturalWidth))
    .toBeGreaterThan(0);
  await view.click();
  await b.page.getByRole("dialog").locator("img").waitFor();
  await b.accessible();
  await b.page.keyboard.press("Escape");

  // What is none is refused in words, and the message goes without it.
  await a.page
    .locator('input[type="file"]')
    .setInputFiles([{ name: "no.png", mimeType: "image/png", buffer: Buffer.from("no image") }]);
  await a.page.getByRole("alert").filter({ hasText: /image/i }).waitFor();
});

test("a long room pages upwards, keeps its place, and a hit of the search is jumped to", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  for (let number = 1; number <= 180; number += 1)
    await say(ben, kitchen, `Line ${number}${number === 12 ? " with marzipan" : ""}`);
  await anna.client.api.sync.markRead(kitchen.id, 1_000);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`);
  await article(a, "Line 180").waitFor();
  await a.page.getByRole("region", { name: "Messages", exact: true }).hover();
  for (let turn = 0; turn < 60 && (await article(a, "Line 100").count()) === 0; turn += 1) {
    await a.page.mouse.wheel(0, -900);
    await a.page.waitForTimeout(60);
  }
  await article(a, "Line 100").first().waitFor();
  // Something new comes: one stays where one is, and is told of it.
  await say(ben, kitchen, "Late news");
  await a.page.getByRole("button", { name: "1 new message" }).click();
  await article(a, "Late news").waitFor();

  await expect.poll(async () => (await anna.client.api.search.messages({ q: "marzipan" })).items.length).toBe(1);
  await a.page.keyboard.press("Control+k");
  await a.page.getByRole("searchbox", { name: "Search messages" }).fill("marzipan");
  await a.page.keyboard.press("Enter");
  await a.page.locator("mark", { hasText: "marzipan" }).waitFor();
  await a.accessible();
  await a.keep("search");
  await a.page.getByRole("link", { name: /marzipan/ }).click();
  await article(a, "Line 12 with marzipan").waitFor();
  expect(await article(a, "Line 180").count()).toBe(0);
  await a.page.getByRole("button", { name: "To the newest" }).click();
  await article(a, "Late news").waitFor();
});

test("who was away begins where he stopped reading, and has read what he has seen", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  for (let number = 1; number <= 120; number += 1) await say(anna, kitchen, `Line ${number}.`);
  const unread = async () => ((await ben.client.api.rooms.get(kitchen.id)) as MyRoom).unread;
  const b = await visitAs(ben, `/rooms/${kitchen.id}`);
  await article(b, "Line 1.").waitFor();
  await b.page.getByText("New", { exact: true }).waitFor();
  await expect.poll(unread).toBeLessThan(120);
  expect(await unread()).toBeGreaterThan(60);
  await b.page.reload();
  await b.page.getByText("New", { exact: true }).waitFor();
  expect(await article(b, "Line 120.").count()).toBe(0);
  await b.page.getByRole("button", { name: "To the newest" }).click();
  await article(b, "Line 120.").waitFor();
  await expect.poll(unread).toBe(0);
});

test("what is written offline goes out when the network is back, also after a reload", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  await say(ben, kitchen, "Before the tunnel");
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const b = await visitAs(ben, `/rooms/${kitchen.id}`);
  await article(a, "Before the tunnel").waitFor();
  await a.page.getByRole("button", { name: /^Connected/ }).waitFor();
  await a.context.setOffline(true);
  // A socket that is open learns of it when it has to show that it lives.
  await a.page.getByRole("button", { name: /No connection|Connecting/ }).waitFor();
  await write(a, "From the tunnel, one");
  await write(a, "From the tunnel, two");
  await article(a, "From the tunnel, two").getByText("Under way").waitFor({ state: "attached" });
  await say(ben, kitchen, "Meanwhile outside");
  await a.context.setOffline(false);
  for (const text of ["From the tunnel, one", "From the tunnel, two"])
    await article(b, text).waitFor({ timeout: 40_000 });
  await article(a, "Meanwhile outside").waitFor();
  expect(await article(b, "From the tunnel").allInnerTexts()).toHaveLength(2);
});

test("a gateway that is killed in mid-send loses nothing and doubles nothing", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const b = await visitAs(ben, `/rooms/${kitchen.id}`, { troubled: true });
  await field(a).waitFor();
  await field(b).waitFor();
  for (let number = 0; number < 10; number += 1) {
    await write(a, `Message number ${number}.`);
    if (number === 4) await kill("gateway");
  }
  for (let number = 0; number < 10; number += 1) {
    await article(b, `Message number ${number}.`).waitFor({ timeout: 60_000 });
    await article(a, `Message number ${number}.`).waitFor();
  }
  const texts = await b.page.getByRole("article").allInnerTexts();
  expect(texts.map(text => /number (\d)/.exec(text)?.[1]).filter(Boolean)).toEqual([..."0123456789"]);
  await a.page.getByRole("button", { name: /^Connected/ }).waitFor({ timeout: 40_000 });
  await a.page.getByRole("button", { name: /^Connected/ }).click();
  await a.page
    .getByRole("dialog", { name: "Connection" })
    .getByText(/1006|1001|4001/)
    .waitFor();
  await a.accessible();
  await a.keep("connection");
});

test("after a reload the page shows at once what it had, and two tabs agree", async () => {
  const { ben, roomId, a } = await pair();
  await write(a, "Kept in the browser");
  await article(a, "Kept in the browser")
    .getByText("Sent")
    .or(article(a, "Kept in the browser").getByText("Read"))
    .first()
    .waitFor({ state: "attached" });
  await a.page.waitForTimeout(1_500);
  // Nothing of the server answers: what is seen was kept.
  let answer = (): void => undefined;
  const silence = new Promise<void>(resolve => {
    answer = resolve;
  });
  await a.page.route("**/api/**", async route => {
    await silence;
    await route.continue();
  });
  await a.page.reload();
  await article(a, "Kept in the browser").waitFor();
  answer();
  await a.page.unrouteAll({ behavior: "wait" });

  const other = await a.context.newPage();
  await other.goto(`/rooms/${roomId}`);
  await other.getByRole("article").filter({ hasText: "Kept in the browser" }).waitFor();
  await ben.client.api.messages.send(roomId, { client_msg_id: "x", body: "Seen in both" });
  await article(a, "Seen in both").waitFor();
  await other.getByRole("article").filter({ hasText: "Seen in both" }).waitFor();
  await other.getByRole("combobox", { name: "Message to Kitchen" }).fill("From the other tab");
  await other.getByRole("combobox", { name: "Message to Kitchen" }).press("Enter");
  await article(a, "From the other tab").waitFor();
});

test("sealed rooms say in plain words what that means", async () => {
  const anna = await person("Anna");
  const { id } = await room(anna, [], { name: "Board", visibility: "private", encryption: "sealed" });
  const a = await visitAs(anna, `/rooms/${id}`);
  await a.page.getByRole("button", { name: "About this room" }).click();
  await a.page
    .getByRole("complementary")
    .getByText("The server can read it, and it is not searchable.")
    .first()
    .waitFor();
  await a.accessible();
  await a.keep("sealed");
});
