import { defineConfig } from "vitest/config";

// Against a running suite; tests/integration/test_typescript.py starts one.
export default defineConfig({
  test: { include: ["tests/integration/**/*.test.ts"], environment: "node", testTimeout: 120_000, bail: 1 },
});
