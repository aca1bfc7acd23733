/** Somebody before a browser. Whatever goes wrong in his page fails the test, also what nobody sees. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { launch } from "./chromium.ts";
import { ADDRESS, closeEverybody, type Person } from "./people.ts";

export interface Visit extends BrowserContextOptions {
  /** Failing calls and sockets are what the test is about; everything else still fails it. */
  troubled?: boolean;
}

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const WITHIN_MS = 30_000;

let browser: Browser | undefined;
const visitors: Visitor[] = [];

/** To be called once in each file of tests: starts the browser, and looks after each test whether all went well, also for axe. */
export function useBrowser(): void {
  beforeAll(async () => {
    browser = await launch();
  });
  afterEach(async context => {
    const found = visitors.splice(0);
    try {
      if (context.task.result?.state === "fail") {
        for (const [number, visitor] of found.entries()) await visitor.keep(`failed-${number}-${context.task.name}`);
      } else await Promise.all(found.map(visitor => visitor.left()));
    } finally {
      await Promise.all(found.map(visitor => visitor.context.close()));
      closeEverybody();
    }
    expect(found.flatMap(visitor => visitor.problems)).toEqual([]);
  });
  afterAll(() => browser?.close());
}

/** A new browser window of its own, with nothing in it. */
export async function visit(path = "/", options: Visit = {}): Promise<Visitor> {
  const visitor = await newcomer(options);
  await visitor.page.goto(path);
  return visitor;
}

/** As `visit`, of somebody who is signed in; how one signs in is what other tests are about. */
export async function visitAs(person: Person, path = "/", options: Visit = {}): Promise<Visitor> {
  const visitor = await newcomer(options);
  const { username, password } = person;
  const answer = await visitor.context.request.post("/api/v1/auth/token", {
    form: { username, password, cookies: "true" },
    headers: { Origin: ADDRESS },
  });
  expect(answer.status()).toBe(200);
  await visitor.page.goto(path);
  return visitor;
}

async function newcomer({ troubled = false, ...options }: Visit): Promise<Visitor> {
  if (browser === undefined) throw new Error("useBrowser() is called first.");
  const context = await browser.newContext({
    baseURL: ADDRESS,
    locale: "en-GB",
    viewport: { width: 1280, height: 800 },
    // What moves is not there yet when axe looks at it.
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(WITHIN_MS);
  const visitor = new Visitor(context, await context.newPage(), troubled);
  visitors.push(visitor);
  return visitor;
}

export class Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What has gone wrong so far. */
  readonly problems: string[] = [];
  readonly #troubled: boolean;

  constructor(context: BrowserContext, page: Page, troubled: boolean) {
    this.#troubled = troubled;
    this.context = context;
    this.page = page;
    this.#watch(page, troubled);
    context.on("page", other => other !== page && this.#watch(other, troubled));
    context.on("request", request => {
      const { protocol, host } = new URL(request.url());
      if (!["data:", "blob:"].includes(protocol) && host !== new URL(ADDRESS).host) {
        this.problems.push(`a request to another host: ${request.url()}`);
      }
    });
  }

  async signIn(username: string, password: string): Promise<void> {
    const { page } = this;
    await page.getByLabel(/^(Username|Benutzername)$/).fill(username);
    await page.getByLabel("Passphrase", { exact: true }).fill(password);
    await page.getByRole("button", { name: /^(Sign in|Anmelden)$/ }).click();
    await page.waitForURL(address => address.pathname !== "/signin");
  }

  /** Nothing turns any more that says that something is on its way. */
  async settled(): Promise<void> {
    await expect.poll(() => this.page.locator(".spinner").count()).toBe(0);
  }

  /** Nothing that axe holds to be serious or critical (WCAG 2.2 A and AA). */
  async accessible(page = this.page): Promise<void> {
    // Legacy: for pages without frames, and without another page of its own for each look. It also fetches all styles anew, for whether
    // a page can be turned, and breaks where one could not be loaded.
    const { violations } = await new AxeBuilder({ page })
      .options({ preload: !this.#troubled })
      .setLegacyMode()
      .withTags(RULES)
      .analyze();
    const grave = violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
    expect(grave).toEqual([]);
  }

  /** As a test leaves them, its pages are accessible too: so no test can forget to look. */
  async left(): Promise<void> {
    const ours = this.context.pages().filter(page => page.url().startsWith(`${ADDRESS}/`));
    await Promise.all(ours.map(page => this.accessible(page)));
  }

  /** Nothing sticks out at the side. */
  async fits(): Promise<void> {
    const [wide, window] = await this.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(wide).toBeLessThanOrEqual(window as number);
  }

  /** A picture of the page in PARLEY_SHOTS, if somebody wants to see it. */
  async keep(name: string): Promise<void> {
    const folder = process.env["PARLEY_SHOTS"];
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    const file = join(folder, `${name.replace(/[^\w-]+/g, "-").slice(0, 80)}.png`);
    await this.page.screenshot({ path: file }).catch(() => undefined);
  }

  #watch(page: Page, troubled: boolean): void {
    page.on("pageerror", error => this.problems.push(`an error that nobody caught: ${error.stack || error.message}`));
    page.on("console", message => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      const text = message.text();
      // Refused calls are answers; that they are handled is what tests look at.
      const ofApi = message.location().url.startsWith(`${ADDRESS}/api/`);
      if (text.startsWith("Failed to load resource") && (ofApi || troubled)) return;
      if (troubled && /WebSocket connection to|net::ERR_/.test(text)) return;
      // The worker took over while the page was loading: its parts come through it, and what was fetched ahead did not.
      if (/^A preload for .* cross-world service worker resource mismatch/.test(text)) return;
      // Of tests that want none.
      if (text === "Service Worker registration blocked by Playwright") return;
      if (/^The resource .* was preloaded using link preload but not used/.test(text)) return;
      this.problems.push(`${message.type()} in the console: ${text} (${message.location().url})`);
    });
    page.on("crash", () => this.problems.push("the page crashed"));
  }
}
