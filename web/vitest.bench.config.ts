import { defineConfig } from "vitest/config";
import browser from "./vitest.browser.config.ts";

// What the page feels like, measured against a running suite; tests/benchmarks/web.py starts one.
export default defineConfig({
  ...browser,
  test: { ...browser.test, include: ["tests/benchmarks/**/*.bench.ts"], testTimeout: 3 * 60 * 60_000 },
});
