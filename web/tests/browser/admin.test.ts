/** The office: accounts, invitations, reports, audit trail, connections, access with a reason. */

import { expect, test } from "vitest";
import { admin, person, room, say, useBrowser, visit, visitAs } from "./harness/index.ts";

useBrowser();

test("who has no office finds nothing there", async () => {
  const visitor = await visitAs(await person(), "/admin");
  await visitor.page.getByText("There is nothing here").waitFor();
  await visitor.accessible();
});

test("every section fits a phone and a wide screen, in both languages", async () => {
  const [boss, somebody] = [await admin("Boss"), await person("Reporter")];
  const made = await room(boss, [somebody], { name: "Reported" });
  const message = await say(boss, made, "Buy my things!");
  await somebody.client.api.moderation.report(made.id, message.id, "Advertising, again and again.");
  for (const options of [
    { viewport: { width: 320, height: 640 } },
    { viewport: { width: 1920, height: 1080 }, locale: "de-DE", colorScheme: "dark" as const },
  ]) {
    const visitor = await visitAs(boss, "/admin", options);
    const { page } = visitor;
    for (const section of ["users", "invitations", "reports", "audit", "connections", "access"]) {
      await page.goto(`/admin/${section}`);
      await page.locator("#page-title").waitFor();
      await visitor.settled();
      await visitor.accessible();
      await visitor.fits();
      await visitor.keep(`admin-${section}-${options.viewport.width}`);
    }
  }
});

test("a name is not broken in the middle of a word where a table has room for it", async () => {
  const [boss, somebody] = [await admin(), await person("Alexandrina Featherstonehaugh")];
  for (const locale of ["en-GB", "de-DE"]) {
    const visitor = await visitAs(boss, "/admin/users", { locale });
    const row = visitor.page.getByRole("row").filter({ hasText: `@${somebody.username}` });
    const lines = await row.getByText("Featherstonehaugh").evaluate(({ firstChild: name }) => {
      const range = document.createRange();
      range.setStart(name as Text, "Alexandrina ".length);
      range.setEndAfter(name as Text);
      return range.getClientRects().length;
    });
    expect(lines).toBe(1);
    const [frame, table] = await visitor.page
      .getByRole("table")
      .evaluate(table => [(table.parentElement as HTMLElement).clientWidth, table.scrollWidth]);
    expect(table).toBeLessThanOrEqual(frame as number);
  }
});

test("an account gets an office, is disabled, and is let in again", async () => {
  const [boss, somebody] = [await admin(), await person("Candidate")];
  const visitor = await visitAs(boss, "/admin/users");
  const { page } = visitor;
  await page.getByLabel("Find by name").fill(somebody.username);
  const row = page.getByRole("row").filter({ hasText: `@${somebody.username}` });
  await row.getByRole("combobox").selectOption("moderator");
  await visitor.accessible();
  await page.getByRole("dialog").getByRole("button", { name: "Make Moderator" }).click();
  await expect.poll(() => row.getByRole("combobox").inputValue()).toBe("moderator");
  await row.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await row.getByText("Disabled").waitFor();
  await expect(somebody.client.api.users.me()).rejects.toThrow();
  await row.getByRole("button", { name: "Enable" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Enable" }).click();
  await row.getByText("Active").waitFor();
});

test("what was chosen and not confirmed changes nothing", async () => {
  const [boss, somebody] = [await admin(), await person("Unchanged")];
  const visitor = await visitAs(boss, "/admin/users");
  const { page } = visitor;
  await page.getByLabel("Find by name").fill(somebody.username);
  const row = page.getByRole("row").filter({ hasText: `@${somebody.username}` });
  await row.getByRole("combobox").selectOption("admin");
  await page.keyboard.press("Escape");
  expect(await row.getByRole("combobox").inputValue()).toBe("user");
  expect((await boss.client.api.admin.users({ query: somebody.username })).items[0]?.role).toBe("user");
});

test("a reset code is shown once, with a link that works", async () => {
  const [boss, somebody] = [await admin(), await person("Forgetful")];
  const visitor = await visitAs(boss, "/admin/users");
  const { page } = visitor;
  await page.getByLabel("Find by name").fill(somebody.username);
  const row = page.getByRole("row").filter({ hasText: `@${somebody.username}` });
  await row.getByRole("button", { name: "Reset code" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make a code" }).click();
  const link = await page.getByRole("dialog").locator("code").nth(1).textContent();
  await visitor.accessible();
  const reset = await visit(new URL(String(link)).pathname + new URL(String(link)).hash);
  await reset.page.getByLabel("New passphrase").fill("remembered from now on");
  await reset.page.getByRole("button", { name: "Set the passphrase" }).click();
  await reset.page.getByText("The passphrase is set").waitFor();
});

test("an invitation's link opens an account", async () => {
  const visitor = await visitAs(await admin(), "/admin/invitations");
  const { page } = visitor;
  await page.getByRole("button", { name: "Make an invitation" }).click();
  const link = new URL(String(await page.locator("code").first().textContent()));
  expect(link.search).toBe("");
  const guest = await visit(link.pathname + link.hash);
  await guest.page.getByText("You were invited.").waitFor();
  expect(await guest.page.getByLabel("Invitation code").inputValue()).not.toBe("");
  await guest.page.getByLabel("Username").fill(`guest-${Date.now().toString(36)}`);
  await guest.page.getByLabel("Passphrase", { exact: true }).fill("invited by the admin");
  await guest.page.getByRole("button", { name: "Create an account" }).click();
  await guest.page.waitForURL("/");
});

test("a report is read and resolved", async () => {
  const [boss, somebody] = [await admin("Judge"), await person("Witness")];
  const made = await room(boss, [somebody], { name: `Court ${Date.now()}` });
  const message = await say(boss, made, "Nonsense.");
  await somebody.client.api.moderation.report(made.id, message.id, "This is nonsense.");
  const visitor = await visitAs(boss, "/admin/reports");
  const { page } = visitor;
  const item = page.getByRole("listitem").filter({ hasText: String(made.name) });
  await item.getByText("This is nonsense.").waitFor();
  await item.getByRole("button", { name: "Resolve" }).click();
  await item.getByLabel("What was done").fill("It was meant as a joke.");
  await visitor.accessible();
  await item.getByRole("button", { name: "Mark as resolved" }).click();
  await item.getByText(/Resolved by @judge/).waitFor();
});

test("the audit trail is narrowed down, and its links are compared", async () => {
  const boss = await admin("Auditor");
  const made = await room(boss, [], { name: "Audited" });
  const once = await boss.client.api.rooms.update(made.id, { rev: made.rev, topic: "once" });
  await boss.client.api.rooms.update(made.id, { rev: once.rev, topic: "twice" });
  const visitor = await visitAs(boss, "/admin/audit");
  const { page } = visitor;
  await page.getByLabel("Area", { exact: true }).selectOption("rooms");
  await page.getByLabel("Room’s id").fill(made.id);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("cell", { name: "room.updated" }).first().waitFor();
  await page.getByText(/of what is shown (was|were) compared/).waitFor();
  await page.getByLabel("Room’s id").fill("not an id");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("not an id is no id.").waitFor();
});

test("a connection is found by whose it is", async () => {
  const [boss, somebody] = [await admin(), await person("Connected")];
  await somebody.client.connect();
  const visitor = await visitAs(boss, "/admin/connections");
  const { page } = visitor;
  const rows = page.locator("summary");
  await expect
    .poll(
      async () => {
        await page.getByLabel("Person", { exact: true }).fill(`@${somebody.username}`);
        await page.getByRole("button", { name: "Show", exact: true }).click();
        return rows.locator(".who").allInnerTexts();
      },
      { interval: 1_000 },
    )
    .toEqual([`@${somebody.username}`]);
  await rows.click();
  await page.getByText(String(somebody.client.details.connectionId)).waitFor();
  await visitor.accessible();
});

test("a room is opened to the office with a reason, for a while", async () => {
  const [boss, owner] = [await admin(), await person("Owner")];
  const made = await room(owner, [], { name: "Private matters", visibility: "private" });
  await expect(boss.client.api.messages.page(made.id)).rejects.toThrow();
  const visitor = await visitAs(boss, `/admin/access?room=${made.id}`);
  const { page } = visitor;
  expect(await page.getByLabel("Room’s id").inputValue()).toBe(made.id);
  await page.getByRole("textbox", { name: "Reason" }).fill("A complaint of today.");
  await visitor.accessible();
  await page.getByRole("button", { name: "Give me access" }).click();
  await page.getByText(/Open to you until/).waitFor();
  expect((await boss.client.api.messages.page(made.id)).items).toEqual([]);
});
