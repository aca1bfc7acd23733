/** Where the focus goes by itself. */

import { expect, test } from "vitest";
import { person, room, say, useBrowser, type Visitor, visit, visitAs } from "./harness/index.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor, where: string) => page.getByRole("combobox", { name: `Message to ${where}` });

/** What has the focus: by its name, or by what it says. */
const focused = ({ page }: Visitor): Promise<string> =>
  page.evaluate(() => {
    const node = document.activeElement;
    return (
      node?.getAttribute("aria-label") ??
      (node as HTMLInputElement | null)?.labels?.[0]?.textContent ??
      node?.textContent?.trim().slice(0, 80) ??
      ""
    );
  });
const focusOn = (visitor: Visitor, name: string): Promise<void> => expect.poll(() => focused(visitor)).toBe(name);

test("a dialog begins in its first field, and people are found and chosen by typing", async () => {
  const [anna, ben, cleo] = [await person("Anna"), await person("Ben"), await person("Cleo")];
  const visitor = await visitAs(anna);
  const { page } = visitor;
  const { keyboard } = page;
  await page.getByRole("navigation").getByRole("button", { name: "New room" }).click();
  await page.getByRole("dialog").waitFor();
  await focusOn(visitor, "Name");
  await keyboard.type("Pantry");
  await keyboard.press("Enter");
  await page.waitForURL(/\/rooms\/./);
  // And where one has come one can write at once.
  await focusOn(visitor, "Message to Pantry");

  await page.getByRole("navigation").getByRole("button", { name: "New direct message" }).click();
  await page.getByRole("dialog").waitFor();
  await focusOn(visitor, "Find people by name");
  // Before the answer is there, too.
  await keyboard.type(ben.username);
  await keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove Ben" }).waitFor();
  await keyboard.type(cleo.username);
  await page.getByRole("button", { name: "Add: Cleo" }).click();
  await page.getByRole("button", { name: "Remove Cleo" }).waitFor();
  await focusOn(visitor, "Find people by name");
  expect(await page.getByLabel("Find people by name").inputValue()).toBe("");
  await page.getByRole("button", { name: "Start" }).click();
  await focusOn(visitor, "Message to Ben and Cleo");
});

test("one writes where one has come, and Escape leads back to where one was", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  await room(anna, [], { name: "Garden" });
  await say(ben, kitchen, "Is there bread?");
  const visitor = await visitAs(anna);
  const { page } = visitor;
  const { keyboard } = page;
  await page.getByRole("link", { name: /Garden/ }).click();
  await focusOn(visitor, "Message to Garden");
  await page.getByRole("link", { name: /Kitchen/ }).click();
  await focusOn(visitor, "Message to Kitchen");
  await article(visitor, "Is there bread?").waitFor();

  // What is typed elsewhere in the room comes there, too.
  await page.getByRole("region", { name: "Messages", exact: true }).focus();
  await keyboard.type("Two");
  expect(await field(visitor, "Kitchen").inputValue()).toBe("Two");
  await page.getByRole("link", { name: /Garden/ }).focus();
  await keyboard.type("x");
  expect(await field(visitor, "Kitchen").inputValue()).toBe("Two");

  await article(visitor, "Is there bread?").hover();
  await article(visitor, "Is there bread?").getByRole("button", { name: "Reply in a thread" }).click();
  await focusOn(visitor, "Reply in this thread");
  await keyboard.press("Escape");
  await page.getByRole("complementary", { name: "Thread" }).waitFor({ state: "detached" });
  await expect.poll(() => focused(visitor)).toMatch(/^Ben, /);

  await page.getByRole("button", { name: "2 members" }).click();
  await focusOn(visitor, "Members");
  await keyboard.press("Escape");
  await focusOn(visitor, "2 members");

  // Where the room itself is out of sight meanwhile.
  await page.setViewportSize({ width: 800, height: 640 });
  await article(visitor, "Is there bread?").press("Enter");
  await focusOn(visitor, "Reply in this thread");
  await keyboard.press("Escape");
  await expect.poll(() => focused(visitor)).toMatch(/^Ben, /);
});

test("no keyboard comes up on a phone before one touches a field", async () => {
  const anna = await person("Anna");
  await room(anna);
  const visitor = await visitAs(anna, "/", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await visitor.page.getByRole("link", { name: /Kitchen/ }).tap();
  await field(visitor, "Kitchen").waitFor();
  await visitor.settled();
  expect(await focused(visitor)).not.toContain("Message to");
});

test("what others say is read out, in the room and in the open thread, and one's own is not; a pin is seen wherever it stands", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  const root = await say(ben, kitchen, "Is there bread?");
  const pinned = await say(ben, kitchen, "And butter?");
  await anna.client.api.messages.pin(kitchen.id, pinned.id);
  const visitor = await visitAs(anna, `/rooms/${kitchen.id}/threads/${root.id}`);
  const { page } = visitor;
  await article(visitor, "And butter?").getByText("Pinned").waitFor();
  const thread = page.getByRole("complementary", { name: "Thread" });
  const reply = (who: typeof ben, body: string) =>
    who.client.api.messages.send(kitchen.id, { client_msg_id: crypto.randomUUID(), body, thread_root_id: root.id });
  const said = (text: string) => page.locator("[aria-live=polite]").filter({ hasText: text });
  await thread.getByRole("combobox").waitFor();
  await reply(ben, "Half a loaf.");
  await said("Ben: Half a loaf.").waitFor({ state: "attached" });
  await say(ben, kitchen, "Anybody?");
  await said("Ben: Anybody?").waitFor({ state: "attached" });
  await page.keyboard.type("I have seen it.");
  await page.keyboard.press("Enter");
  await thread.getByRole("article").filter({ hasText: "I have seen it." }).waitFor();
  await field(visitor, "Kitchen").fill("Coming.");
  await field(visitor, "Kitchen").press("Enter");
  await article(visitor, "Coming.").first().waitFor();
  // In order: what came before it has been heard by then.
  await reply(ben, "Good.");
  await said("Ben: Good.").waitFor({ state: "attached" });
  for (const own of ["I have seen it.", "Coming."]) expect(await said(own).count()).toBe(0);
  await visitor.keep("pinned-grouped");
});

test("everything that one does in a day is done by keys alone", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const kitchen = await room(anna, [ben]);
  await room(anna, [], { name: "Garden" });
  await say(ben, kitchen, "Is there any marzipan left?");
  const visitor = await visit("/signin");
  const { page } = visitor;
  const { keyboard } = page;
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await keyboard.press(key);
  };
  /** By Tab, or back by Shift and Tab; a page that catches the focus never lets one get there. */
  const tabTo = async (name: string | RegExp, key = "Tab"): Promise<void> => {
    for (let step = 0; step < 40; step += 1) {
      const now = await focused(visitor);
      if (typeof name === "string" ? now === name : name.test(now)) return;
      await keyboard.press(key);
    }
    expect(await focused(visitor)).toMatch(name);
  };
  await page.getByLabel("Username").waitFor();
  await tabTo("Username");
  await keyboard.type(anna.username);
  await tabTo("Passphrase");
  await keyboard.type(anna.password);
  await press("Enter");

  // The list of rooms is one stop after the other; arrows lead through it.
  await page.getByRole("link", { name: /Kitchen/ }).waitFor();
  await tabTo("New room");
  await press("Tab");
  for (let step = 0; step < 2 && !(await focused(visitor)).startsWith("Kitchen"); step += 1) await press("ArrowDown");
  await press("Enter");
  await focusOn(visitor, "Message to Kitchen");
  await keyboard.type("Two boxes.");
  await press("Enter");
  await article(visitor, "Two boxes.")
    .getByText("Sent")
    .or(article(visitor, "Two boxes.").getByText("Delivered"))
    .first()
    .waitFor({ state: "attached" });

  await tabTo(/^(Messages|Anna, |Ben, )/, "Shift+Tab");
  await press("ArrowUp", "ArrowUp");
  await expect.poll(() => focused(visitor)).toMatch(/^Ben, /);
  await tabTo("React with an emoji");
  await press("Enter");
  await focusOn(visitor, "Search emoji");
  await page.getByRole("dialog").getByRole("button", { name: "👍" }).waitFor();
  await press("ArrowDown", "Enter");
  await article(visitor, "marzipan").getByRole("button", { name: "👍, 1" }).waitFor();
  await focusOn(visitor, "React with an emoji");

  await tabTo("More");
  await press("Enter");
  await page.getByRole("menuitem", { name: "Dislike" }).waitFor();
  await press("ArrowDown", "Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await focusOn(visitor, "More");

  // Back to the message itself, and down to one's own.
  await tabTo(/^Ben, /, "Shift+Tab");
  await press("ArrowDown");
  await expect.poll(() => focused(visitor)).toMatch(/^Anna, /);
  await tabTo("Edit");
  await press("Enter");
  await page.getByRole("article").getByRole("textbox", { name: "Edit" }).waitFor();
  await keyboard.type(" No, three.");
  await press("Enter");
  await article(visitor, "Two boxes. No, three.").getByText("edited").waitFor();
  await focusOn(visitor, "Message to Kitchen");

  await tabTo(/^Anna, /, "Shift+Tab");
  await press("Enter");
  await focusOn(visitor, "Reply in this thread");
  await keyboard.type("I counted.");
  await press("Enter");
  await page
    .getByRole("complementary", { name: "Thread" })
    .getByRole("article")
    .filter({ hasText: "I counted." })
    .waitFor();
  await press("Escape");
  await expect.poll(() => focused(visitor)).toMatch(/^Anna, /);

  await expect.poll(async () => (await anna.client.api.search.messages({ q: "marzipan" })).items.length).toBe(1);
  await press("Control+k");
  await focusOn(visitor, "Search messages");
  await keyboard.type("marzipan");
  await press("Enter");
  await page.locator("mark").waitFor();
  await tabTo(/marzipan left/);
  await press("Enter");
  await expect.poll(() => focused(visitor)).toMatch(/^Ben, /);

  await tabTo("2 members", "Shift+Tab");
  await press("Enter");
  await focusOn(visitor, "Members");
  await tabTo("Close", "Shift+Tab");
  await press("Enter");
  await focusOn(visitor, "2 members");

  await tabTo(/Status, settings, sign out/, "Shift+Tab");
  await press("Enter");
  await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
  await press("End", "Enter");
  await page.getByLabel("Username").waitFor();
});

test("nothing moves for whoever wants nothing to move, and something does for the others", async () => {
  const anna = await person("Anna");
  await room(anna);
  for (const reducedMotion of ["no-preference", "reduce"] as const) {
    const { context, page } = await visitAs(anna, "/", { reducedMotion });
    // How long whatever begins to move will do so, in seconds.
    await page.evaluate(() => {
      const found: number[] = [];
      Object.assign(globalThis, { found });
      document.addEventListener("animationstart", ({ target }) => {
        const { animationDuration, animationIterationCount } = getComputedStyle(target as Element);
        found.push(
          Number.parseFloat(animationDuration) * Number.parseFloat(animationIterationCount.replace("infinite", "1e9")),
        );
      });
      document.addEventListener("transitionrun", ({ target }) => {
        found.push(
          ...getComputedStyle(target as Element)
            .transitionDuration.split(",")
            .map(Number.parseFloat),
        );
      });
    });
    await page.getByRole("link", { name: /Kitchen/ }).click();
    await page.getByRole("combobox", { name: "Message to Kitchen" }).waitFor();
    await page.getByRole("navigation").getByRole("button", { name: "New room" }).click();
    await page.getByRole("dialog").getByRole("switch").first().click();
    const found = () => page.evaluate(() => (globalThis as unknown as { found: number[] }).found);
    // The dialog itself comes, in some time or in none.
    await expect.poll(found).not.toEqual([]);
    if (reducedMotion === "reduce") expect(Math.max(...(await found()))).toBeLessThanOrEqual(0.001);
    else expect(Math.max(...(await found()))).toBeGreaterThan(0.1);
    await context.close();
  }
});
