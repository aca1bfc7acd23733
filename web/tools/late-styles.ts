/** Styles hold up whatever stands below them: those of the app stand below what one sees until it is there. */

import type { Plugin } from "vite";

const STYLES = /^\s*<link rel="stylesheet" crossorigin href="\/assets\/[^>]*>\n/gm;
const END = "  </body>";

export function lateStyles(): Plugin {
  return {
    name: "parley-late-styles",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(page) {
        const styles = page.match(STYLES);
        if (styles === null || !page.includes(END)) throw new Error("The page has no styles, or no end.");
        return page.replace(STYLES, "").replace(END, () => styles.join("") + END);
      },
    },
  };
}
