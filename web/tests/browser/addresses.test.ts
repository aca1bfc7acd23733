/** What an address shows, what the page is then called, and the way back from it. */

import { expect, test } from "vitest";
import { person, useBrowser, visitAs } from "./harness/index.ts";

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
