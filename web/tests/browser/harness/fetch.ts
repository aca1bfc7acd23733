/** Sees to it that there is a browser: before the tests, which have nothing of one's environment. */

import { chromium } from "./chromium.ts";

await chromium();
