/** Tells the worker (src/worker) of which files the build consists. */

import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import type { Plugin } from "vite";
import type { Build } from "../src/worker/keeper.ts";

export const WORKER = "worker.js";
const PLACE = "__BUILD__";
/** Source maps are for who looks for a fault, and has a network; licences for who asks. */
const NOT_KEPT = /\.(map|md)$/;
/** Large, and of use to few. */
const RARE = /\.json$/;

export function worker(): Plugin {
  let folder = "";
  return {
    name: "parley-worker",
    apply: "build",
    configResolved(config) {
      folder = config.publicDir;
    },
    generateBundle: {
      // When the names of all files are known.
      order: "post",
      handler(_options, bundle) {
        const found = bundle[WORKER];
        if (found?.type !== "chunk") throw new Error(`The build has no ${WORKER}.`);
        if (found.imports.length > 0) throw new Error(`${WORKER} has to be one file: it imports ${found.imports}.`);
        const names = Object.keys(bundle)
          .filter(name => name.startsWith("assets/") && !NOT_KEPT.test(name))
          .sort();
        const entry = Object.values(bundle).find(part => part.type === "chunk" && part.isEntry && part !== found);
        const page = bundle["index.html"];
        if (entry === undefined || page?.type !== "asset") throw new Error("The build has no page.");
        const build: Build = {
          version: createHash("sha256").update(names.join()).update(page.source).digest("hex").slice(0, 16),
          entry: `/${entry.fileName}`,
          parts: names.filter(name => !RARE.test(name)).map(name => `/${name}`),
          rare: names.filter(name => RARE.test(name)).map(name => `/${name}`),
          others: readdirSync(folder).map(name => `/${name}`),
        };
        if (!found.code.includes(PLACE)) throw new Error(`${WORKER} has no place for the list of files.`);
        found.code = found.code.replace(PLACE, () => JSON.stringify(build));
      },
    },
  };
}
