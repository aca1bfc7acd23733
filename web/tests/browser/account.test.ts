/** Coming in and going: an account, a session, a passphrase, and their ends. */

import { expect, test } from "vitest";
import { admin, operatorsInvitation, person, useBrowser, visit, visitAs } from "./harness/index.ts";

useBrowser();

test("a newcomer opens an account and is in", async () => {
  const visitor = await visit("/");
  const { page } = visitor;
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await visitor.accessible();
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("Username").fill(`new-${Date.now().toString(36)}`);
  await page.getByLabel("Display name").fill("Nina Newcomer");
  const passphrase = page.getByLabel("Passphrase", { exact: true });
  await passphrase.fill("too short");
  await page.getByText("6 more characters.").waitFor();
  await visitor.accessible();
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByRole("alert").first().waitFor();
  // Nothing of what was typed is lost by a refusal.
  expect(await page.getByLabel("Display name").inputValue()).toBe("Nina Newcomer");
  await passphrase.fill("a sentence that only she would say");
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.waitForURL("/");
  await page.getByRole("navigation").first().waitFor();
  await visitor.accessible();
});

test("a wrong passphrase is said to be wrong, and the right one opens what was asked for", async () => {
  const somebody = await person("Wanda");
  const visitor = await visit("/settings/sessions");
  const { page } = visitor;
  await page.waitForURL(/signin/);
  await page.getByLabel("Username").fill(somebody.username);
  await page.getByLabel("Passphrase", { exact: true }).fill("not the passphrase at all");
  await page.getByLabel("Passphrase", { exact: true }).press("Enter");
  await page.getByText("The name or the passphrase is wrong.").waitFor();
  await visitor.accessible();
  expect(await page.getByLabel("Username").inputValue()).toBe(somebody.username);
  await visitor.signIn(somebody.username, somebody.password);
  await page.waitForURL("/settings/sessions");
  await page.getByText("This one").waitFor();
});

test("an address from outside is not followed after signing in", async () => {
  const somebody = await person();
  const visitor = await visit("/signin?next=//evil.example/");
  await visitor.signIn(somebody.username, somebody.password);
  await visitor.page.waitForURL("/");
});

test("a reload keeps one signed in, and signing out forgets", async () => {
  const somebody = await person("Rita");
  const visitor = await visitAs(somebody, "/settings/sessions");
  const { page } = visitor;
  await page.getByText("This one").waitFor();
  await page.reload();
  await page.getByText("This one").waitFor();
  await page.getByRole("button", { name: "Sign out here" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto("/settings");
  await page.waitForURL(/signin/);
  const names = await page.evaluate(() => document.cookie);
  expect(names).toBe("");
});

test("the server is asked once who is signed in, and not for nobody again", async () => {
  const somebody = await person("Nora");
  // It goes to the form when it has been told.
  const { page, context } = await visit("/");
  await page.waitForURL(/signin/);
  let asked = 0;
  context.on("request", request => {
    if (request.url().endsWith("/auth/refresh")) asked += 1;
  });
  const form = page.getByRole("heading", { name: "Sign in" });
  await page.goto("/");
  await page.waitForURL(/signin/);
  expect(asked).toBe(0);

  // Signed in in another tab, this one is as well.
  const other = await context.newPage();
  await other.goto("/signin?next=/settings/sessions");
  await other.getByLabel("Username").fill(somebody.username);
  await other.getByLabel("Passphrase", { exact: true }).fill(somebody.password);
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByText("This one").waitFor();
  expect(asked).toBe(0);
  await page.goto("/settings/sessions");
  await page.getByText("This one").waitFor();
  expect(asked).toBe(1);

  // An older page has noted nothing, or what is noted is old; storage is gone, and the cookie is not.
  // What one has seen is written down after a moment.
  await page.waitForTimeout(1_500);
  for (const left of ["parley.signin", "nobody", ""]) {
    await page.evaluate(note => {
      if (note === "nobody") localStorage.setItem("parley.signin", note);
      else if (note) localStorage.removeItem(note);
      else localStorage.clear();
    }, left);
    await page.reload();
    await page.getByText("This one").waitFor();
  }
  expect(asked).toBe(4);
  await page.getByRole("button", { name: "Sign out here" }).click();
  await form.waitFor();
  await other.waitForURL(/signin/);
  await page.goto("/");
  await page.waitForURL(/signin/);
  expect(asked).toBe(4);
});

test("a session that is ended elsewhere says so, and one signs in again where one was", async () => {
  const somebody = await person("Ella");
  const visitor = await visitAs(somebody, "/settings/appearance", { troubled: true });
  const { page } = visitor;
  await page.getByText("As the system").waitFor();
  const { items } = await somebody.client.api.accounts.sessions();
  for (const session of items) if (!session.current) await somebody.client.api.accounts.endSession(session.id);
  await page.getByText("Your session has ended.").waitFor();
  await visitor.accessible();
  await visitor.signIn(somebody.username, somebody.password);
  await page.waitForURL("/settings/appearance");
});

test("the link of the first admin makes one, and leaves nothing in the address", async () => {
  const visitor = await visit(`/setup#${operatorsInvitation()}`);
  const { page } = visitor;
  await page.getByRole("heading", { name: "The first admin" }).waitFor();
  expect(new URL(page.url()).hash).toBe("");
  await visitor.accessible();
  await page.getByLabel("Username").fill(`boss-${Date.now().toString(36)}`);
  await page.getByLabel("Passphrase", { exact: true }).fill("whoever runs this house");
  await page.getByRole("button", { name: "Create the admin" }).click();
  await page.waitForURL("/admin");
  await page.getByRole("table", { name: "Accounts" }).waitFor();
});

test("without its end the link of the first admin says so", async () => {
  const visitor = await visit("/setup");
  await visitor.page.getByText("The link is incomplete").waitFor();
  await visitor.accessible();
});

test("a reset code sets a new passphrase, once", async () => {
  const [boss, somebody] = [await admin(), await person("Otto")];
  const { code } = await boss.client.api.admin.resetCode(somebody.id);
  const visitor = await visit(`/reset#${encodeURIComponent(code)}`);
  const { page } = visitor;
  expect(await page.getByLabel("Reset code").inputValue()).toBe(code);
  await visitor.accessible();
  await page.getByLabel("New passphrase").fill("quite another passphrase");
  await page.getByRole("button", { name: "Set the passphrase" }).click();
  await page.getByText("The passphrase is set").waitFor();
  await page.getByRole("link", { name: "Sign in" }).click();
  await visitor.signIn(somebody.username, "quite another passphrase");
  await page.goto("/reset");
  await page.getByLabel("Reset code").fill(code);
  await page.getByLabel("New passphrase").fill("a third passphrase of his");
  await page.getByRole("button", { name: "Set the passphrase" }).click();
  await page.getByText("The code is wrong, used up or too old.").waitFor();
});

test("a token that runs out is renewed without anybody noticing", async () => {
  const somebody = await person("Tom");
  const visitor = await visitAs(somebody, "/settings/profile");
  const { page } = visitor;
  await page.getByLabel("Display name").waitFor();
  const renewed = page.waitForResponse(answer => answer.url().endsWith("/auth/refresh") && answer.ok());
  await page.clock.install();
  await page.clock.fastForward("11:00");
  await page.getByLabel("Display name").fill("Tom the Second");
  await page.getByRole("button", { name: "Save" }).first().click();
  await renewed;
  await page.getByText("Saved.").waitFor();
  expect((await somebody.client.api.users.me()).display_name).toBe("Tom the Second");
});

test("an account is erased by its owner, who keeps the receipt", async () => {
  const somebody = await person("Gone");
  const visitor = await visitAs(somebody, "/settings/data", { troubled: true });
  const { page } = visitor;
  await page.getByRole("button", { name: "Delete for good" }).click();
  const dialog = page.getByRole("dialog");
  const erase = dialog.getByRole("button", { name: "Delete for good" });
  await visitor.accessible();
  expect(await erase.isDisabled()).toBe(true);
  await dialog.getByLabel(/Type your username/).fill(somebody.username);
  await dialog.getByLabel("Passphrase", { exact: true }).fill("not the passphrase at all");
  await erase.click();
  await dialog.getByText("The name or the passphrase is wrong.").waitFor();
  await dialog.getByLabel("Passphrase", { exact: true }).fill(somebody.password);
  await erase.click();
  await page.getByRole("heading", { name: "Your account is being erased" }).waitFor();
  await visitor.accessible();
  await page.getByRole("button", { name: "How far is it?" }).click();
  await page.getByText(/still under way|Everything is erased/).waitFor();
});
