/** A room from its making to its end, and who may do what in it: as each of its people sees it in the page. */

import type { MyRoom } from "@parley/client";
import { expect, test } from "vitest";
import { type Person, person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const panel = ({ page }: Visitor) => page.getByRole("complementary", { name: "About this room" });
const tab = (visitor: Visitor, name: string) => panel(visitor).getByRole("tab", { name });
const headline = ({ page }: Visitor, name: string) => page.getByRole("main").getByRole("heading", { level: 1, name });
const inList = ({ page }: Visitor, name: string) =>
  page.getByRole("navigation").getByRole("link", { name: new RegExp(`^${name}`) });
const member = (visitor: Visitor, { name }: Person) => panel(visitor).getByRole("listitem").filter({ hasText: name });

/** What can be done about somebody, by the items of his menu; it stays open. */
async function menu(visitor: Visitor, person: Person): Promise<string[]> {
  await panel(visitor)
    .getByRole("button", { name: `What to do about ${person.name}` })
    .click();
  return visitor.page.getByRole("menuitem").allInnerTexts();
}

async function choose(visitor: Visitor, person: Person, item: string): Promise<void> {
  await menu(visitor, person);
  await visitor.page.getByRole("menuitem", { name: item, exact: true }).click();
}

test("a room is made, its settings reach everybody, and it is deleted and brought back", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const [a, b] = [await visitAs(anna), await visitAs(ben)];
  await a.page.getByRole("button", { name: "New room" }).first().click();
  const dialog = a.page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Orchard");
  await dialog.getByLabel("Topic").fill("Apples, mostly");
  await dialog.getByRole("radio", { name: /^Private/ }).check();
  // A private room shows nobody what was said before him, unless one wants that.
  await dialog.getByText("nothing older").waitFor();
  await dialog.getByRole("button", { name: "Create room" }).click();
  await headline(a, "Orchard").waitFor();
  const roomId = new URL(a.page.url()).pathname.split("/")[2] ?? "";
  const kept = async () => (await anna.client.api.rooms.get(roomId)) as MyRoom;
  expect(await kept()).toMatchObject({ topic: "Apples, mostly", visibility: "private", history: "since_join" });

  // Somebody is added, and has the room at once.
  await a.page.getByRole("button", { name: "1 member" }).click();
  await panel(a).getByLabel("Add people").fill(ben.username);
  await panel(a).getByRole("button", { name: "Add: Ben" }).click();
  await a.page.getByText("Ben was added.").waitFor();
  await member(a, ben).waitFor();
  await a.page.getByRole("button", { name: "2 members" }).waitFor();
  await inList(b, "Orchard").click();
  await headline(b, "Orchard").waitFor();

  await tab(a, "About").click();
  await panel(a).getByLabel("Name").fill("Old orchard");
  await panel(a).getByLabel("Topic").fill("Apples and pears");
  await panel(a).getByRole("switch", { name: "New members read everything" }).click();
  await panel(a).getByRole("combobox", { name: "Language" }).selectOption("german");
  await a.accessible();
  await panel(a).getByRole("button", { name: "Save" }).click();
  await a.page.getByText("Saved.").waitFor();
  expect(await kept()).toMatchObject({ name: "Old orchard", history: "all", language: "german" });
  await headline(b, "Old orchard").waitFor();
  await b.page.getByText("Apples and pears").first().waitFor();
  // What a member sees of them, and what he may not change.
  await b.page.getByRole("button", { name: "About this room" }).click();
  await panel(b).getByText("Apples and pears").waitFor();
  await panel(b).getByText("its members, from the first message on").waitFor();
  expect(
    await panel(b)
      .getByRole("button", { name: /Save|Delete room/ })
      .count(),
  ).toBe(0);
  expect(await tab(b, "Moderation").count()).toBe(0);

  // What another device has changed meanwhile is shown, and what one wants is saved at the second try.
  await anna.client.api.rooms.update(roomId, { rev: (await kept()).rev, topic: "Plums" });
  await expect.poll(() => panel(a).getByLabel("Topic").inputValue()).toBe("Plums");

  await panel(a).getByRole("button", { name: "Delete room" }).click();
  await a.page.getByRole("dialog").getByRole("button", { name: "Delete room" }).click();
  await a.page.waitForURL(address => address.pathname === "/");
  await b.page.getByText("Old orchard was deleted.").waitFor();
  await inList(b, "Old orchard").waitFor({ state: "detached" });
  await inList(a, "Old orchard").waitFor({ state: "detached" });
  await a.page.getByText("Old orchard was deleted.").waitFor();
  await a.page.getByRole("button", { name: "Undo" }).click();
  await inList(a, "Old orchard").click();
  await a.page.getByRole("button", { name: "2 members" }).waitFor();
  await inList(b, "Old orchard").click();
  await headline(b, "Old orchard").waitFor();
});

test("a role opens what belongs to it, at once, and who is removed or leaves is out", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const kitchen = await room(anna, [ben, cleo]);
  await say(cleo, kitchen, "Who has the key?");
  const [a, b, c] = [
    await visitAs(anna, `/rooms/${kitchen.id}`),
    await visitAs(ben, `/rooms/${kitchen.id}`),
    await visitAs(cleo, `/rooms/${kitchen.id}`),
  ];
  for (const visitor of [a, b, c]) await visitor.page.getByRole("button", { name: "3 members" }).click();
  const offices = ["Make member", "Make moderator", "Make owner"];
  const sanctions = ["Mute …", "Remove …", "Ban …"];

  // A member: nothing but what is between two people.
  expect(await menu(b, cleo)).toEqual(["Write a direct message", "Block"]);
  await b.page.keyboard.press("Escape");
  expect(await tab(b, "Moderation").count()).toBe(0);

  // As long as nobody else is owner, its owner stays.
  await tab(a, "About").click();
  await panel(a).getByRole("button", { name: "Leave room" }).click();
  await a.page.getByRole("dialog").getByRole("button", { name: "Leave room" }).click();
  await a.page.getByRole("dialog").getByText("You are its last owner").waitFor();
  await a.accessible();
  await a.page.keyboard.press("Escape");
  await tab(a, "Members").click();

  // A moderator: members and what they write, no roles.
  await choose(a, ben, "Make moderator");
  await member(a, ben).getByText("Moderator").waitFor();
  await member(c, ben).getByText("Moderator").waitFor();
  await tab(b, "Moderation").waitFor();
  expect(await menu(b, cleo)).toEqual(["Write a direct message", "Block", ...sanctions]);
  await b.page.keyboard.press("Escape");
  expect(await menu(b, anna)).toEqual(["Write a direct message", "Block"]);
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("article").filter({ hasText: "Who has the key?" }).hover();
  await b.page.getByRole("article").getByRole("button", { name: "More" }).click();
  await b.page.getByRole("menuitem", { name: "Pin" }).waitFor();
  await b.page.getByRole("menuitem", { name: "Delete" }).waitFor();
  await b.page.keyboard.press("Escape");
  await tab(b, "About").click();
  expect(await panel(b).getByRole("button", { name: "Delete room" }).count()).toBe(0);

  // An owner: everything; and as an equal he is out of the other owner's reach.
  await choose(a, ben, "Make owner");
  await panel(b).getByRole("button", { name: "Delete room" }).waitFor();
  await panel(b).getByLabel("Name").waitFor();
  await tab(b, "Members").click();
  expect(await menu(b, cleo)).toEqual([
    "Write a direct message",
    "Block",
    ...offices.filter(item => item !== "Make member"),
    ...sanctions,
  ]);
  await b.page.keyboard.press("Escape");
  expect(await menu(b, anna)).toEqual(["Write a direct message", "Block"]);
  await b.accessible();
  await b.keep("members-menu");
  await b.page.keyboard.press("Escape");

  // Who is owner besides another one may step down; who is the only one is told what has to come before.
  const ownRole = (visitor: Visitor) => panel(visitor).getByRole("button", { name: "Change your role" });
  await ownRole(a).press("Enter");
  await a.page.getByRole("menuitem", { name: "Become moderator …" }).press("Enter");
  const asked = a.page.getByRole("dialog", { name: "Give up being owner of Kitchen?" });
  await asked.getByText("Only another owner can make you owner again.").waitFor();
  await a.accessible();
  await a.keep("step-down");
  await asked.getByRole("button", { name: "Give up being owner" }).press("Enter");
  await member(b, anna).getByText("Moderator").waitFor();
  await ownRole(a).waitFor({ state: "detached" });
  // What led here is gone, and the keyboard is still in the panel.
  await expect.poll(() => a.page.locator("#room-panel:focus").count()).toBe(1);
  await ownRole(b).click();
  await b.page.getByRole("menuitem", { name: "Become member …" }).click();
  const told = b.page.getByRole("dialog", { name: "Give up being owner of Kitchen?" });
  await told.getByText("You are its last owner. Make somebody else owner first.").waitFor();
  await b.accessible();
  await b.keep("step-down-last-owner");
  await b.page.keyboard.press("Escape");
  await choose(b, anna, "Make owner");
  await member(b, anna).getByText("Owner").waitFor();
  await ownRole(a).waitFor();

  // Removed: he learns of it, the others see it, and he may come back into a public room.
  await choose(b, cleo, "Remove …");
  await b.page.getByRole("dialog").getByLabel("Reason (may be left empty)").fill("A mistake");
  await b.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await c.page.getByText("You are no longer in Kitchen.").waitFor();
  await member(a, cleo).waitFor({ state: "detached" });
  await a.page.getByRole("button", { name: "2 members" }).waitFor();
  await c.page.goto(`/rooms/${kitchen.id}`);
  await c.page.getByRole("button", { name: "Join", exact: true }).click();
  await c.page.getByRole("article").filter({ hasText: "Who has the key?" }).waitFor();
  await member(a, cleo).waitFor();
  await say(anna, kitchen, "Back already?");
  await c.page.getByRole("article").filter({ hasText: "Back already?" }).waitFor();

  // Leaving: of one's own will. The room goes with the last one.
  await c.page.getByRole("button", { name: "About this room" }).click();
  await panel(c).getByRole("button", { name: "Leave room" }).click();
  await c.page.getByRole("dialog").getByText("You can join again at any time.").waitFor();
  await c.page.getByRole("dialog").getByRole("button", { name: "Leave room" }).click();
  await c.page.waitForURL(address => address.pathname === "/");
  await inList(c, "Kitchen").waitFor({ state: "detached" });
  await member(a, cleo).waitFor({ state: "detached" });
  await tab(b, "About").click();
  await panel(b).getByRole("button", { name: "Leave room" }).click();
  await b.page.getByRole("dialog").getByRole("button", { name: "Leave room" }).click();
  await member(a, ben).waitFor({ state: "detached" });
  await tab(a, "About").click();
  await panel(a).getByRole("button", { name: "Leave room" }).click();
  await a.page.getByRole("dialog").getByText("Nobody else is here").waitFor();
  await a.page.getByRole("dialog").getByRole("button", { name: "Leave room" }).click();
  await a.page.waitForURL(address => address.pathname === "/");
});
