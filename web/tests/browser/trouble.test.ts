/** Networks that come and go, gateways that end, machines that sleep: what one sees meanwhile, and that all is whole after it. */

import { expect, test } from "vitest";
import {
  ADDRESS,
  admin,
  kill,
  type Person,
  person,
  room,
  say,
  useBrowser,
  type Visitor,
  visitAs,
} from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const connected = ({ page }: Visitor) => page.getByRole("button", { name: /^Connected/ });

/** As `visitAs`; when the page loses its connection, it waits far longer than a test does. */
async function visitPatiently(who: Person, path: string): Promise<Visitor> {
  const visitor = await visitAs(who, "about:blank", { troubled: true });
  // Of the longest pause a random part is waited: here it is many times the shortest one.
  await visitor.context.addInitScript(() => {
    Math.random = () => 800;
  });
  await visitor.page.goto(path);
  return visitor;
}

/** The first gateway ends, and another one is there in its place. */
async function replaceGateway(): Promise<void> {
  await kill("gateway");
  const answers = () =>
    fetch(`${ADDRESS}/readyz`).then(
      ({ status }) => status,
      () => 0,
    );
  await expect.poll(answers).toBe(200);
}

test("whoever does not want to wait for the next attempt has it made at once", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const a = await visitPatiently(anna, `/rooms/${kitchen.id}`);
  const { page } = a;
  // The panel is loaded before it is wanted.
  await connected(a).click();
  await page
    .getByRole("dialog")
    .getByText(/^Connected since/)
    .waitFor();
  await page.keyboard.press("Escape");
  await replaceGateway();
  await say(ben, kitchen, "While nobody listened");
  await page.getByRole("combobox", { name: "Message to Kitchen" }).fill("From far away");
  await page.keyboard.press("Enter");

  // The line says how long it lasts, and what waits, in whole; nothing that counts is read out.
  const line = page.getByRole("button", { name: /^No connection\. Next try in 1\d\d\ss\. 1 message waits/ });
  await line.waitFor();
  const spoken = page.getByRole("status").filter({ hasText: /^No connection; what you write is kept$/ });
  expect(await spoken.count()).toBe(1);
  const now = page.getByRole("navigation").getByRole("button", { name: "Try now" });
  for (const width of [800, 1280]) {
    await page.setViewportSize({ width, height: 720 });
    const cut = await line.evaluate(element =>
      [element, ...element.querySelectorAll(":not(.visually-hidden)")].some(
        part => part.scrollWidth > part.clientWidth,
      ),
    );
    expect(cut).toBe(false);
    await a.fits();
    await a.keep(`no-connection-${width}`);
  }
  // On a phone it stands above the room.
  await page.setViewportSize({ width: 320, height: 640 });
  await page.getByRole("main").getByRole("button", { name: "Try now" }).waitFor();
  await a.fits();
  await a.accessible();
  await a.keep("no-connection-320");

  await page.setViewportSize({ width: 1280, height: 800 });
  await line.click();
  const panel = page.getByRole("dialog", { name: "Connection" });
  await panel.getByText(/^No connection\. Next try in 1\d\d\ss\./).waitFor();
  await panel.getByText("The network broke off.").waitFor();
  await panel.getByText("(1006)").waitFor();
  await a.accessible();
  await a.keep("no-connection-panel");
  await panel.getByRole("button", { name: "Try now" }).click();
  await panel.getByText(/^Connected since/).waitFor();
  // The button is gone, the focus is not.
  expect(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  await page.keyboard.press("Escape");
  await article(a, "While nobody listened").waitFor();
  await article(a, "From far away").getByText("Sent").waitFor({ state: "attached" });

  await replaceGateway();
  await now.focus();
  await page.keyboard.press("Enter");
  await connected(a).waitFor();
  expect(await page.evaluate(() => document.activeElement?.closest("nav") !== null)).toBe(true);
});

test("a network that has gone is said at once, before anybody knows what has become of the connection", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const { page, context } = a;
  await connected(a).waitFor();
  // The browser is wrong about it: until the gateway has answered the page says what it was told, then what is so.
  const told = await page.evaluate(async () => {
    const line = document.querySelector("nav .connection") as Element;
    const texts: string[] = [];
    await new Promise<void>(resolve => {
      const look = () => {
        const text = line.textContent?.trim() ?? "";
        texts.push(text);
        if (text.startsWith("Connected")) resolve();
      };
      new MutationObserver(look).observe(line, { subtree: true, childList: true, characterData: true });
      dispatchEvent(new Event("offline"));
    });
    return texts;
  });
  expect(told[0]).toMatch(/^The network is gone\. Checking …/);

  await context.setOffline(true);
  await page.getByRole("button", { name: /^(The network is gone|No connection|Connecting)/ }).waitFor();
  await page.getByRole("button", { name: /^No connection/ }).waitFor();
  await context.setOffline(false);
  await connected(a).waitFor();
});

test("what one copies from the panel is what the operator finds", async () => {
  const [boss, anna] = [await admin(), await person("Anna")];
  const kitchen = await room(anna);
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, {
    troubled: true,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const { page } = a;
  await connected(a).click();
  const panel = page.getByRole("dialog", { name: "Connection" });
  await panel.getByText("None since this page was opened").waitFor();
  const copied = async (): Promise<Record<string, string>> => {
    await panel.getByRole("button", { name: "Copy details" }).click();
    await page.getByText("Copied.").last().waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    return Object.fromEntries(text.split("\n").map(line => [line.split(" ")[0], line.replace(/^\S+\s*/, "")]));
  };
  const first = await copied();
  expect(first).toMatchObject({ user_id: anna.id, state: "live", last_close: "-", last_lost: "-", unsent: "0" });
  expect(first[`room:${kitchen.id}`]).toBe("seq 1 head 1");

  // With another role one comes back with another token, on another connection.
  await boss.client.api.admin.updateUser(anna.id, { role: "moderator" });
  await panel.getByText("It was opened anew with a new key.").waitFor();
  await panel.getByText(/^Connected since/).waitFor();
  await a.accessible();
  await a.keep("connection-after-an-interruption");
  const second = await copied();
  expect(second).toMatchObject({ state: "live", session_id: first["session_id"], last_lost: first["connection_id"] });
  expect(second["connection_id"]).not.toBe(first["connection_id"]);

  // The log is written down a moment later.
  const logged = async () => (await boss.client.api.admin.connections({ user_id: anna.id })).items;
  await expect.poll(async () => (await logged()).map(row => row.closed_at === null)).toEqual([true, false]);
  const [after, before] = await logged();
  expect(before).toMatchObject({ connection_id: first["connection_id"], session_id: first["session_id"], code: 4014 });
  expect(second["last_close"]).toBe(`${before?.code} ${before?.reason}`);
  const [code, reason] = [after?.last_close_code, after?.last_close_reason];
  expect(after).toMatchObject({ connection_id: second["connection_id"], session_id: first["session_id"] });
  expect(second["last_close"]).toBe(`${code} ${reason}`);
});
