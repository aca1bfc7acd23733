/** What somebody with bad intentions writes is shown as what it is: text. */

import { randomBytes } from "node:crypto";
import { ParleyError } from "@parley/client";
import { expect, test } from "vitest";
import { admin, person, png, room, useBrowser, type Visitor, visitAs } from "./harness/index.ts";
import { ALL, FILE_NAMES, MARKUP, STRANGE } from "./hostile.ts";

useBrowser();

/** Calls of `__hit`: there must be none. */
async function armed(visitor: Visitor): Promise<string[]> {
  const hits: string[] = [];
  await visitor.context.exposeFunction("__hit", () => hits.push(visitor.page.url()));
  await visitor.page.reload();
  return hits;
}

/** What no text of anybody may have become. */
const forbidden = (visitor: Visitor): Promise<string[]> =>
  visitor.page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.body.querySelectorAll("*")) {
      const ours = "body > link[rel=stylesheet][href^='/assets/'], script[src^='/assets/']";
      if (element.matches(`:is(iframe, object, embed, base, meta, link, style, script):not(${ours})`))
        found.push(element.outerHTML);
      for (const { name, value } of element.attributes) {
        if (/^on|^srcdoc$|^formaction$/.test(name)) found.push(`${name}=${value}`);
        if (/^(href|src|action|xlink:href)$/.test(name) && !/^(https?:|mailto:|blob:|data:image\/|\/|#|$)/.test(value))
          found.push(`${name}=${value}`);
        if (name === "src" && /^https?:/.test(value) && !value.startsWith(location.origin))
          found.push(`${name}=${value}`);
      }
    }
    return found;
  });

/** Whatever the server takes of it; a refusal is an answer too. */
async function tolerated(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof ParleyError && error.status >= 400 && error.status < 500) return false;
    throw error;
  }
}

test("messages of every kind are text, and their links lead where one sees", async () => {
  const [somebody, attacker] = [await person("Reader"), await person("Attacker")];
  const made = await room(attacker, [somebody], { name: "Messages" });
  let sent = 0;
  for (const [number, body] of ALL.entries()) {
    for (const format of ["markdown", "plain"] as const) {
      const message = { client_msg_id: `${number}-${format}`, body, format };
      if (await tolerated(attacker.client.api.messages.send(made.id, message))) sent += 1;
    }
  }
  expect(sent).toBeGreaterThan(ALL.length);
  await somebody.client.api.sync.markRead(made.id, 10_000);
  const visitor = await visitAs(somebody, `/rooms/${made.id}`);
  const hits = await armed(visitor);
  const { page } = visitor;
  await page.getByText("../../../etc/passwd").first().waitFor();
  // From the end to the beginning, all of it is drawn once.
  const timeline = page.getByRole("log").or(page.getByRole("feed")).first();
  await timeline.hover();
  for (let step = 0; step < 60; step += 1) {
    await page.mouse.wheel(0, -600);
    await page.waitForTimeout(40);
    expect(await forbidden(visitor)).toEqual([]);
  }
  await visitor.fits();
  await visitor.accessible();
  expect(hits).toEqual([]);
});

test("names of rooms and people are text, wherever they stand", async () => {
  const [boss, attacker] = [await admin("Reader"), await person("Attacker")];
  for (const text of [...MARKUP, ...STRANGE]) {
    const name = [...text].slice(0, 80).join("");
    await tolerated(
      room(attacker, [boss], { name, topic: text.slice(0, 200) }).then(made =>
        attacker.client.api.messages.send(made.id, { client_msg_id: "1", body: "Hello." }),
      ),
    );
    // No more than an account: who signs in has to prove again that he knows his passphrase, and that takes its time.
    await tolerated(
      attacker.client.api.accounts.register({
        username: `h-${randomBytes(6).toString("hex")}`,
        password: "as hostile as its name",
        display_name: name,
      }),
    );
    await tolerated(attacker.client.api.presence.set({ status: "busy", text: [...text].slice(0, 100).join("") }));
  }
  const visitor = await visitAs(boss, "/");
  const hits = await armed(visitor);
  const { page } = visitor;
  for (const path of ["/", "/rooms", "/settings/notifications", "/admin/users", "/admin/audit"]) {
    await page.goto(path);
    await page.locator("h1, h2").first().waitFor();
    await visitor.settled();
    await page.waitForTimeout(300);
    expect(await forbidden(visitor)).toEqual([]);
    await visitor.fits();
  }
  expect(hits).toEqual([]);
});

test("a file's name is nothing but a name", async () => {
  const [somebody, attacker] = [await person("Reader"), await person("Attacker")];
  const made = await room(attacker, [somebody], { name: "Files" });
  const media: string[] = [];
  for (const name of FILE_NAMES) {
    const image = await attacker.client.api.media.upload(new Blob([picture()], { type: "image/png" }), { name });
    media.push(image.id);
  }
  await attacker.client.api.messages.send(made.id, { client_msg_id: "1", body: "Look at these.", media_ids: media });
  const visitor = await visitAs(somebody, `/rooms/${made.id}`);
  const hits = await armed(visitor);
  await visitor.page.getByText("Look at these.").waitFor();
  await visitor.page.locator(`img[src*="${media[0]}"]`).first().waitFor();
  expect(await forbidden(visitor)).toEqual([]);
  expect(hits).toEqual([]);
});

test("what an address says is not run either", async () => {
  const visitor = await visitAs(await person(), "/");
  const hits = await armed(visitor);
  const { page } = visitor;
  for (const text of MARKUP.slice(0, 12)) {
    for (const path of [
      `/rooms/${encodeURIComponent(text)}`,
      `/search?q=${encodeURIComponent(text)}`,
      `/settings/${encodeURIComponent(text)}`,
    ]) {
      // An address with a dot is none of the client's, and is answered as such.
      if (decodeURIComponent(path).includes(".")) continue;
      await page.goto(path);
      await page.locator("h1, h2").first().waitFor();
      expect(await forbidden(visitor)).toEqual([]);
    }
  }
  expect(hits).toEqual([]);
});

/** One grey pixel, with a text that somebody hopes to be run. */
const picture = (): Uint8Array<ArrayBuffer> => png(1, 1, () => [128, 128, 128], "<script>__hit()</script>");
