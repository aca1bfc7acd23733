import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// The page in a browser, against a running suite; tests/browser/test_web.py starts one.
export default defineConfig({
  resolve: {
    alias: { "@parley/client": fileURLToPath(new URL("../clients/typescript/src/index.ts", import.meta.url)) },
  },
  test: {
    include: ["tests/browser/**/*.test.ts"],
    environment: "node",
    testTimeout: 240_000,
    hookTimeout: 90_000,
    // As long as the browser's own waiting: what is awaited has to come, and how soon depends on the machine.
    expect: { poll: { timeout: 30_000 } },
    // One browser at a time: what is measured is the page, not the machine.
    fileParallelism: false,
  },
});
