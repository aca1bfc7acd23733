/** The package is small, and what is not used of it is left out. */

import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const MOST = 15_000;

/** Bytes, minified and compressed, of a page that uses so much. */
async function size(source: string): Promise<number> {
  const page = new URL("../page.ts", import.meta.url).pathname;
  const bundle = await rolldown({
    input: page,
    plugins: [{ name: "page", resolveId: id => (id === page ? id : null), load: id => (id === page ? source : null) }],
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  return gzipSync(output[0].code, { level: 9 }).length;
}

test("all of it fits into fifteen kilobytes", async () => {
  expect(await size('export * from "../src/index.ts";')).toBeLessThan(MOST);
});

test("what is not used costs nothing", async () => {
  expect(await size('import { ParleyError } from "../src/index.ts"; throw new ParleyError("a", "b");')).toBeLessThan(
    600,
  );
});

test("it depends on nothing", () => {
  expect(Object.keys(manifest).filter(key => key.toLowerCase().includes("dependencies"))).toEqual([]);
});
