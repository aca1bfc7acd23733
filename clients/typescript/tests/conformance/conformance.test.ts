import { afterEach, beforeEach, describe, test, vi } from "vitest";
import { Director } from "./director.ts";
import { scenarios } from "./scenarios.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

for (const { file, found } of scenarios()) {
  describe(file, () => {
    for (const scenario of found) test(scenario.name, () => new Director(scenario).play(scenario.steps));
  });
}
