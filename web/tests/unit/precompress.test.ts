// @vitest-environment node
/** What stands beside a file of the build is that file, made small. */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { ResolvedConfig } from "vite";
import { expect, onTestFinished, test } from "vitest";
import { precompress } from "../../tools/precompress.ts";

async function built(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "parley-build-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "assets"));
  await mkdir(join(folder, ".vite"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const plugin = precompress() as unknown as {
    configResolved(config: ResolvedConfig): void;
    closeBundle(): Promise<void>;
  };
  plugin.configResolved({ root: "/elsewhere", build: { outDir: folder } } as ResolvedConfig);
  await plugin.closeBundle();
  return folder;
}

test("texts are compressed twice, each to what it was", async () => {
  const text = "export const words = 'the same again and again';\n".repeat(40);
  const folder = await built({ "assets/a.js": text, "index.html": text });
  for (const name of ["assets/a.js", "index.html"]) {
    expect(brotliDecompressSync(await readFile(join(folder, `${name}.br`))).toString()).toBe(text);
    expect(gunzipSync(await readFile(join(folder, `${name}.gz`))).toString()).toBe(text);
  }
});

test("small, hidden and other files stay alone", async () => {
  const folder = await built({
    "assets/tiny.js": "1",
    ".vite/manifest.json": "x".repeat(2000),
    "assets/a.js.map": "x".repeat(2000),
  });
  expect((await readdir(folder, { recursive: true })).filter(name => /\.(br|gz)$/.test(name))).toEqual([]);
});
