/** What moderators do about messages and people, in the page; and what those see whom it concerns. */

import { expect, test } from "vitest";
import { admin, type Person, person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor) => page.getByRole("combobox", { name: "Message to Kitchen" });
const panel = ({ page }: Visitor) => page.getByRole("complementary", { name: "About this room" });
const dialog = ({ page }: Visitor) => page.getByRole("dialog");

async function write(visitor: Visitor, text: string): Promise<void> {
  await field(visitor).fill(text);
  await field(visitor).press("Enter");
}

/** By the menu of a message. */
async function choose(visitor: Visitor, text: string, item: string): Promise<void> {
  await article(visitor, text).hover();
  await article(visitor, text).getByRole("button", { name: "More", exact: true }).click();
  await visitor.page.getByRole("menuitem", { name: item }).click();
}

/** By the menu of a member. */
async function about(visitor: Visitor, { name }: Person, item: string): Promise<void> {
  await panel(visitor).getByRole("tab", { name: "Members" }).click();
  await panel(visitor)
    .getByRole("button", { name: `What to do about ${name}` })
    .click();
  await visitor.page.getByRole("menuitem", { name: item }).click();
}

async function moderation(visitor: Visitor): Promise<void> {
  await panel(visitor).getByRole("tab", { name: "Members" }).click();
  await panel(visitor).getByRole("tab", { name: "Moderation" }).click();
}

test("a message is reported, taken away with a reason, and the report is resolved", async () => {
  const [boss, anna, ben, cleo, dora] = [
    await admin("Boss"),
    await person("Anna"),
    await person("Ben"),
    await person("Cleo"),
    await person("Dora"),
  ];
  const kitchen = await room(anna, [ben, cleo, dora]);
  await anna.client.api.rooms.setRole(kitchen.id, ben.id, "moderator");
  await say(dora, kitchen, "Buy my pans!");
  await say(dora, kitchen, "And my pots!");
  const at = `/rooms/${kitchen.id}`;
  const [b, c, d] = [await visitAs(ben, at), await visitAs(cleo, at), await visitAs(dora, at)];

  await choose(c, "my pans", "Report …");
  await dialog(c).getByLabel("Reason").fill("Advertising, again.");
  await c.accessible();
  await dialog(c).getByRole("button", { name: "Report" }).click();
  await c.page.getByText("Thank you. The moderators see it.").waitFor();
  await choose(c, "my pans", "Report …");
  await dialog(c).getByLabel("Reason").fill("And again.");
  await dialog(c).getByRole("button", { name: "Report" }).click();
  await c.page.getByText("It was reported already, and is still open.").waitFor();

  // A moderator of the room sees who, what and why.
  await b.page.getByRole("button", { name: "4 members" }).click();
  await moderation(b);
  await panel(b).getByText(`@${cleo.username} about a message of @${dora.username}`).waitFor();
  await panel(b).getByText("Advertising, again.").waitFor();
  await b.accessible();
  await b.keep("moderation-report");
  await panel(b).getByRole("link", { name: "See the message" }).click();
  await choose(b, "my pans", "Delete");
  await dialog(b).getByText("Everybody sees at once that a moderator has deleted it.").waitFor();
  await dialog(b).getByLabel("Reason (may be left empty)").fill("No selling here.");
  await dialog(b).getByRole("button", { name: "Delete the message" }).click();
  for (const visitor of [b, c, d]) {
    await visitor.page.getByText("A moderator deleted this message.").waitFor();
    expect(await article(visitor, "my pans").count()).toBe(0);
    await article(visitor, "my pots").waitFor();
  }

  // The office sees the report too; what was done about it is seen in the room.
  const admins = await visitAs(boss, "/admin/reports");
  const report = admins.page.getByRole("listitem").filter({ hasText: `@${cleo.username}` });
  await report.getByText("Advertising, again.").waitFor();
  await report.getByRole("button", { name: "Resolve" }).click();
  await report.getByLabel("What was done").fill("Deleted, and told her why.");
  await admins.accessible();
  await report.getByRole("button", { name: "Mark as resolved" }).click();
  await report.getByText(`Resolved by @${boss.username}: Deleted, and told her why.`).waitFor();
  await moderation(b);
  await panel(b).getByText(`Resolved by @${boss.username}: Deleted, and told her why.`).waitFor();
});

test("who is muted, banned or too fast is told so, and may again when it is lifted", async () => {
  const [anna, ben, dora] = [await person("Anna"), await person("Ben"), await person("Dora")];
  const kitchen = await room(anna, [ben, dora]);
  await anna.client.api.rooms.setRole(kitchen.id, ben.id, "moderator");
  await say(dora, kitchen, "The first of many");
  const at = `/rooms/${kitchen.id}`;
  const [a, b, d] = [await visitAs(anna, at), await visitAs(ben, at), await visitAs(dora, at)];
  const muted = d.page.getByText(/^You are muted in this room until .*: you can read, and not write\.$/);
  for (const visitor of [a, b]) await visitor.page.getByRole("button", { name: "3 members" }).click();
  await field(d).waitFor();

  // Muted: it is said where one writes, also after a reload; everybody else sees it beside the name.
  await about(b, dora, "Mute …");
  await dialog(b).getByLabel("For how long").selectOption({ label: "One day" });
  await dialog(b).getByLabel("Reason (may be left empty)").fill("Too loud");
  await dialog(b).getByRole("button", { name: "Mute" }).click();
  await muted.waitFor();
  await panel(a).getByRole("listitem").filter({ hasText: "Dora" }).getByText("muted").waitFor();
  await d.accessible();
  await d.keep("muted");
  await d.page.reload();
  await field(d).fill("May");
  await muted.waitFor();
  await write(d, "May I?");
  await d.page.getByRole("alert").getByText("Not sent: You are muted in this room.").waitFor();
  await d.page.getByRole("alert").getByRole("button", { name: "Take back" }).click();
  expect(await field(d).inputValue()).toBe("May I?");
  await moderation(b);
  await panel(b).getByText(`@${dora.username}`).waitFor();
  await panel(b).getByText("Too loud").waitFor();
  await panel(b)
    .getByRole("button", { name: `Lift: @${dora.username}` })
    .click();
  await panel(b).getByText("Nobody is muted.").waitFor();
  await muted.waitFor({ state: "detached" });
  await field(d).press("Enter");
  await article(a, "May I?").waitFor();

  // Slow mode: the second message waits, and can be taken back meanwhile; moderators do not wait.
  await panel(b).getByRole("button", { name: "Change" }).click();
  await dialog(b).getByLabel("Between two messages of one person").selectOption({ label: "5 minutes" });
  await b.accessible();
  await dialog(b).getByRole("button", { name: "Set" }).click();
  await dialog(b).waitFor({ state: "detached" });
  await panel(b).getByText("5 minutes").waitFor();
  await write(d, "Once more");
  await article(d, "Once more")
    .getByText(/Too fast: goes out in \d+ seconds/)
    .waitFor();
  await d.accessible();
  await d.keep("slow");
  await article(d, "Once more").getByRole("button", { name: "Take back" }).click();
  expect(await field(d).inputValue()).toBe("Once more");
  await write(b, "One of mine.");
  await write(b, "And another one.");
  await article(d, "And another one.").waitFor();
  expect(await article(a, "Once more").count()).toBe(0);

  // Banned, in the middle of a sentence: out, and not in again before that is lifted.
  await field(d).pressSequentially(" or not");
  await about(b, dora, "Ban …");
  await dialog(b).getByLabel("For how long").selectOption({ label: "Until somebody lifts it" });
  await dialog(b).getByRole("button", { name: "Ban" }).click();
  await d.page.getByText("You are no longer in Kitchen.").waitFor();
  await panel(a).getByRole("listitem").filter({ hasText: "Dora" }).waitFor({ state: "detached" });
  await d.page.goto(at);
  await d.page.getByRole("button", { name: "Join", exact: true }).click();
  await d.page.getByText("You are banned from this room.").waitFor();
  await d.accessible();
  await d.keep("banned");
  await moderation(b);
  await panel(b).getByText("Until somebody lifts it").waitFor();
  await panel(b)
    .getByRole("button", { name: `Lift: @${dora.username}` })
    .click();
  await panel(b).getByText("Nobody is banned.").waitFor();
  await d.page.goto(at);
  await d.page.getByRole("button", { name: "Join", exact: true }).click();
  await article(d, "And another one.").waitFor();
});
