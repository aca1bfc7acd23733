/** What an address shows, what the page is then called, and the way back from it. */

import { expect, test } from "vitest";
import { person, room, say, useBrowser, visitAs } from "./harness/index.ts";

useBrowser();

test.each([800, 320])("from every section of the settings leads a way back at %i pixels", async width => {
  const visitor = await visitAs(await person("Narrow"), "/settings/profile", { viewport: { width, height: 640 } });
  const { page } = visitor;
  await page.getByRole("heading", { name: "Profile", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "Appearance" }).click();
  await page.getByRole("heading", { name: "Appearance", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  // And from their list, where nothing else is seen.
  if (width < 760) await page.getByRole("main").getByRole("button", { name: "Back" }).click();
  else expect(await page.getByRole("main").getByRole("button", { name: "Back" }).count()).toBe(0);
  await page.getByRole("navigation", { name: "Rooms and people" }).waitFor();
  await visitor.fits();
});

test.each(["en-GB", "de-DE"])("every page is called by its own name (%s)", async locale => {
  const anna = await person("Anna");
  const kitchen = await room(anna);
  const said = await say(anna, kitchen, "Bread?");
  const english = locale === "en-GB";
  const visitor = await visitAs(anna, "/", { locale });
  const { page } = visitor;
  for (const [address, name] of [
    ["/", english ? "Rooms and people" : "Räume und Leute"],
    ["/rooms", english ? "Find rooms" : "Räume finden"],
    ["/search?q=bread", english ? "Search" : "Suche"],
    ["/notifications", english ? "Notifications" : "Benachrichtigungen"],
    ["/settings", english ? "Settings" : "Einstellungen"],
    ["/settings/profile", english ? "Profile · Settings" : "Profil · Einstellungen"],
    ["/settings/sessions", english ? "Sessions · Settings" : "Sitzungen · Einstellungen"],
    [`/rooms/${kitchen.id}`, "Kitchen"],
    [`/rooms/${kitchen.id}/threads/${said.id}`, "Thread · Kitchen"],
    ["/settings/nothing", english ? "Settings" : "Einstellungen"],
    ["/rooms/nothing", english ? "There is nothing here" : "Hier ist nichts"],
    ["/nothing/at/all", english ? "There is nothing here" : "Hier ist nichts"],
  ] as const) {
    // As a link leads there, without a load of the page.
    await page.evaluate(to => {
      const link = Object.assign(document.createElement("a"), { href: to });
      document.body.append(link);
      link.click();
      link.remove();
    }, address);
    await expect.poll(() => page.title()).toBe(`${name} · Parley`);
  }
  await page.getByRole("button", { name: english ? /Status, settings/ : /Status, Einstellungen/ }).click();
  await page.getByRole("menuitem", { name: english ? "Sign out" : "Abmelden" }).click();
  await expect.poll(() => page.title()).toBe(english ? "Sign in · Parley" : "Anmelden · Parley");
});
