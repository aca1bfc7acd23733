/** Without a network the page opens all the same, with what it had. */

import { expect, test } from "vitest";
import { person, room, say, useBrowser, type Visitor, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });

/** The browser has the whole page, and the next load goes by what keeps it. */
const kept = ({ page }: Visitor): Promise<unknown> => page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));

test("offline it is loaded again, shows what it had, and sends when the network is back", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const { seq } = await say(anna, kitchen, "Is it long?");
  await ben.client.api.sync.markRead(kitchen.id, seq);
  await say(ben, kitchen, "Before the tunnel");
  const a = await visitAs(anna, `/rooms/${kitchen.id}`, { troubled: true });
  const { page, context } = a;
  await article(a, "Before the tunnel").waitFor();
  await article(a, "Is it long?").getByText("Read", { exact: true }).waitFor({ state: "attached" });
  await kept(a);
  // What one has seen is written down after a moment.
  await page.waitForTimeout(1_500);

  await context.setOffline(true);
  await page.reload();
  await article(a, "Before the tunnel").waitFor();
  await page.getByRole("button", { name: /No connection|Connecting/ }).waitFor();
  await article(a, "Is it long?").getByText("Read", { exact: true }).waitFor({ state: "attached" });
  const field = page.getByRole("combobox", { name: "Message to Kitchen" });
  await field.fill("From the tunnel");
  await field.press("Enter");
  await article(a, "From the tunnel").getByText("Under way").waitFor({ state: "attached" });
  // It also outlives one more load, and views that were never looked at are there.
  await page.reload();
  await article(a, "From the tunnel").waitFor();
  await page.goto("/settings/appearance");
  await page.getByText("As the system").waitFor();
  await a.accessible();
  await page.goto(`/rooms/${kitchen.id}`);
  await article(a, "From the tunnel").waitFor();

  await context.setOffline(false);
  await expect
    .poll(async () => (await ben.client.api.messages.page(kitchen.id)).items.map(({ body }) => body), {
      timeout: 40_000,
    })
    .toEqual(["Is it long?", "Before the tunnel", "From the tunnel"]);
  await page.getByRole("button", { name: /^Connected/ }).waitFor();
});

test("what is kept of the page is the page, and nothing that a server said to one", async () => {
  const anna = await person("Anna");
  const kitchen = await room(anna, []);
  await say(anna, kitchen, "Nobody else's business");
  const a = await visitAs(anna, `/rooms/${kitchen.id}`);
  await article(a, "Nobody else's business").waitFor();
  await kept(a);
  await a.page.reload();
  await article(a, "Nobody else's business").waitFor();
  const paths = await a.page.evaluate(async () => {
    const found: string[] = [];
    for (const name of await caches.keys())
      for (const { url } of await (await caches.open(name)).keys()) found.push(new URL(url).pathname);
    return found;
  });
  expect(paths).toContain("/");
  expect(paths.filter(path => !/^\/(assets\/[^/]+|[\w-]+\.(css|svg|webmanifest))?$/.test(path))).toEqual([]);
  expect(await a.page.evaluate(() => navigator.serviceWorker.controller?.scriptURL)).toMatch(/\/worker\.js$/);
});
