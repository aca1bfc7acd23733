/** Beside each text of the build what brotli and gzip make of it, so that no gateway compresses anything while it serves. */

import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

const TEXTS = /\.(css|html|js|json|svg|webmanifest)$/;
/** Below it the headers cost more than what is saved. */
const WORTH_BYTES = 512;

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

export function precompress(): Plugin {
  let folder = "";
  return {
    name: "parley-precompress",
    apply: "build",
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    async closeBundle(error?: Error) {
      if (error !== undefined) return;
      const names = await readdir(folder, { recursive: true });
      await Promise.all(
        names.filter(name => TEXTS.test(name) && !name.startsWith(".")).map(name => write(join(folder, name))),
      );
    },
  };
}

async function write(path: string): Promise<void> {
  if ((await stat(path)).size < WORTH_BYTES) return;
  const body = await readFile(path);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
  };
  await writeFile(`${path}.br`, await brotli(body, { params }));
  await writeFile(`${path}.gz`, await zip(body, { level: constants.Z_BEST_COMPRESSION }));
}
