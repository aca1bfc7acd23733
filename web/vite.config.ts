import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { emoji } from "./tools/emoji.ts";
import { lateStyles } from "./tools/late-styles.ts";
import { precompress } from "./tools/precompress.ts";
import { WORKER, worker } from "./tools/worker.ts";

// Where `npm run dev` finds the suite; a build is served by the gateway itself.
const GATEWAY = process.env["PARLEY_URL"] ?? "http://127.0.0.1:8000";

const MAIN = fileURLToPath(new URL("src/main.ts", import.meta.url));
const needed = new Set<string>();

interface Modules {
  getModuleInfo(id: string): { importedIds: readonly string[] } | null;
}

/**
 * What the page needs before it shows anything is one file, whatever else needs parts of it later: dozens of small ones compress
 * worse by a tenth, and each is a request.
 */
function firstLoad(id: string, modules: Modules): string | null {
  if (needed.size === 0) collect(MAIN, modules);
  return id !== MAIN && needed.has(id) ? "first" : null;
}

function collect(id: string, modules: Modules): void {
  if (needed.has(id)) return;
  needed.add(id);
  for (const imported of modules.getModuleInfo(id)?.importedIds ?? []) collect(imported, modules);
}

export default defineConfig(({ mode }) => ({
  plugins: [
    svelte({ compilerOptions: { runes: true, css: "external" } }),
    emoji(),
    lateStyles(),
    worker(),
    precompress(),
  ],
  resolve: {
    // The SDK as it is written, without a build of its own before.
    alias: { "@parley/client": fileURLToPath(new URL("../clients/typescript/src/index.ts", import.meta.url)) },
    // Svelte has another half for servers, which tests would get.
    ...(mode === "test" ? { conditions: ["browser"] } : {}),
  },
  build: {
    target: "es2022",
    manifest: true,
    sourcemap: true,
    // One style sheet, 4 kB larger compressed: one that belongs to a later part Vite asks for once, and if that fails, shows the
    // part without it from then on.
    cssCodeSplit: false,
    // Nothing inline: the page's policy allows neither scripts nor styles that do not come from a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "assets/licences.md" },
    // Which plugin took how long is nothing that `make run` should say.
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: { index: "index.html", worker: "src/worker/worker.ts" },
      // A worker is known by its address, which stays, and governs what lies beside and below it.
      output: {
        entryFileNames: ({ name }) => (name === "worker" ? WORKER : "assets/[name]-[hash].js"),
        codeSplitting: { groups: [{ name: firstLoad }] },
      },
    },
  },
  server: {
    proxy: { "/api": { target: GATEWAY, ws: true }, "/.well-known": GATEWAY },
  },
  test: {
    include: ["tests/unit/**/*.test.ts"],
    environment: "happy-dom",
    pool: "threads",
    restoreMocks: true,
  },
}));
