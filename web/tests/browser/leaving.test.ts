/** A room that one is no longer in, of one's own will or not, while something stands in its field. */

import { expect, test } from "vitest";
import { person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const field = ({ page }: Pick<Visitor, "page">) => page.getByRole("combobox", { name: "Message to Kitchen" });
const inList = ({ page }: Pick<Visitor, "page">) =>
  page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: /^Kitchen/ });

async function about({ page }: Visitor, act: string): Promise<void> {
  await page.getByRole("button", { name: "About this room" }).click();
  await page.getByRole("complementary").getByRole("button", { name: act }).click();
  await page.getByRole("dialog").getByRole("button", { name: act }).click();
}

/** Nothing lies over the page, and the room is not in it. */
async function home(visitor: Visitor): Promise<void> {
  await visitor.page.waitForURL("/");
  await inList(visitor).waitFor({ state: "detached" });
  await visitor.page.getByRole("dialog").waitFor({ state: "detached" });
  await expect.poll(() => visitor.page.evaluate(() => getComputedStyle(document.body).pointerEvents)).toBe("auto");
}

test("who leaves or deletes a room in the middle of a sentence is at home, and can undo it", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  const b = await visitAs(ben, `/rooms/${id}`);
  await field(b).pressSequentially("Half a sen");
  await about(b, "Leave room");
  await home(b);
  await b.page.getByText("You are no longer in Kitchen.").waitFor();

  const a = await visitAs(anna, `/rooms/${id}`);
  await field(a).pressSequentially("Half a sen");
  await about(a, "Delete room");
  await home(a);
  await a.page.getByRole("button", { name: "Undo" }).click();
  await inList(a).click();
  await field(a).waitFor();
});

test("what leads out of a room is there when nothing above it can move it any more", async () => {
  const anna = await person("Anna");
  const { id } = await room(anna);
  const a = await visitAs(anna, `/rooms/${id}`);
  let release = (): void => undefined;
  const said = new Promise<void>(resolve => (release = resolve));
  await a.page.route(/\/privacy$/, async route => {
    await said;
    await route.continue();
  });
  await a.page.getByRole("button", { name: "About this room" }).click();
  const panel = a.page.getByRole("complementary");
  await panel.getByRole("heading", { name: "Who can read what" }).waitFor();
  const acts = panel.getByRole("button", { name: /^(Leave|Delete) room$/ });
  expect(await acts.count()).toBe(0);
  release();
  await acts.nth(1).waitFor();
  expect(await panel.getByRole("listitem").count()).toBeGreaterThan(0);
});

test("who is removed in the middle of a sentence is told, and finds the room again when he is back", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  await say(anna, kitchen, "Out with you");
  const b = await visitAs(ben, `/rooms/${kitchen.id}`);
  await field(b).pressSequentially("But I on");
  await anna.client.api.rooms.removeMember(kitchen.id, ben.id);
  await home(b);
  await b.page.getByText("You are no longer in Kitchen.").waitFor();

  await anna.client.api.rooms.addMember(kitchen.id, ben.id);
  await inList(b).click();
  await field(b).waitFor();
  await b.page.getByRole("article").filter({ hasText: "Out with you" }).waitFor();
  await say(anna, kitchen, "Welcome back");
  await b.page.getByRole("article").filter({ hasText: "Welcome back" }).waitFor();
});

test("who leaves in one tab is at home in the other one too", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  const b = await visitAs(ben, `/rooms/${id}`);
  const other = await b.context.newPage();
  await other.goto(`/rooms/${id}`);
  for (const page of [b.page, other]) await field({ page }).pressSequentially("Half a sen");
  await about(b, "Leave room");
  await home(b);
  await other.waitForURL("/");
  await other.getByText("You are no longer in Kitchen.").waitFor();
  await inList({ page: other }).waitFor({ state: "detached" });
});

test("who joins a room that he looks at from outside sees what comes", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna);
  const b = await visitAs(ben, `/rooms/${kitchen.id}`);
  await b.page.getByRole("button", { name: "Join" }).click();
  await field(b).waitFor();
  // Its messages are read: what is said now comes as an event.
  await b.page.getByRole("heading", { name: "Nobody has said anything yet" }).waitFor();
  await say(anna, kitchen, "Welcome");
  await b.page.getByRole("article").filter({ hasText: "Welcome" }).waitFor();
});
