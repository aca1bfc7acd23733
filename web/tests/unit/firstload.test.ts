/** What a first visit has to load before there is anything to see is small; the rest comes when it is needed. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";

const MOST = 150_000;
const PAGE = "index.html";
const WEB = join(import.meta.dirname, "../..");

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
  dynamicImports?: string[];
}

let out = "";
let manifest: Record<string, Chunk> = {};

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), "parley-web-"));
  const vite = join(WEB, "../node_modules/vite/bin/vite.js");
  const { NODE_ENV: _, VITEST: __, ...env } = process.env;
  execFileSync(process.execPath, [vite, "build", "--outDir", out, "--logLevel", "warn"], { cwd: WEB, env });
  manifest = JSON.parse(readFileSync(join(out, ".vite/manifest.json"), "utf8"));
}, 300_000);

afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Files that a chunk needs before it runs. */
function needed(name: string, found = new Set<string>()): Set<string> {
  const chunk = manifest[name];
  if (chunk === undefined || found.has(name)) return found;
  found.add(name);
  for (const other of chunk.imports ?? []) needed(other, found);
  return found;
}

const size = (names: Iterable<string>): number => {
  let bytes = 0;
  for (const name of names) bytes += gzipSync(readFileSync(join(out, manifest[name]?.file ?? "")), { level: 9 }).length;
  return bytes;
};

test("the first load is at most 150 kB of compressed JavaScript", () => {
  const bytes = size(needed(PAGE));
  expect(bytes).toBeGreaterThan(30_000);
  expect(bytes).toBeLessThanOrEqual(MOST);
});

test("Markdown, emoji and the areas that few people see are not part of it", () => {
  const first = [...needed(PAGE)].join("\n");
  for (const later of ["markdown.ts", "emoji.ts", "AdminPage", "SettingsPage", "de.json"])
    expect(first).not.toContain(later);
  expect(Object.keys(manifest).filter(name => name.endsWith("timeline/markdown.ts"))).toHaveLength(1);
});

test("no part waits for a style of its own, which would be missing for good once it has failed", () => {
  const styles = readdirSync(join(out, "assets")).filter(name => name.endsWith(".css"));
  expect(styles).toHaveLength(1);
  expect(readFileSync(join(out, "index.html"), "utf8")).toContain(`/assets/${styles[0]}`);
});

test("the page has nothing inline, as its policy demands", () => {
  const page = readFileSync(join(out, "index.html"), "utf8");
  expect(page).not.toMatch(/<style|style=|<script(?![^>]*\bsrc=)|\son\w+=|javascript:/i);
  // Nothing from another host.
  expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
});

test("until the app is there the page says so, and none of the app's files stands before that", () => {
  const page = readFileSync(join(out, "index.html"), "utf8");
  const said = page.indexOf("Parley is loading");
  const styles = [...page.matchAll(/<link rel="stylesheet"[^>]*href="([^"]+)"/g)].map(({ 1: href, index }) => [
    href?.startsWith("/assets/"),
    index > said,
  ]);
  expect(said).toBeGreaterThan(0);
  expect(styles.length).toBeGreaterThan(1);
  for (const [ofApp, after] of styles) expect(after).toBe(ofApp);
});
