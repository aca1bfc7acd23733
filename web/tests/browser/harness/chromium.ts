/** Which browser the tests drive: one that is installed, otherwise one from npm, by its lock file. */

import { execFile } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type Browser, chromium as driver } from "playwright-core";

const FETCHED = join(import.meta.dirname, "..", "chromium");
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
const MAC = ["Google Chrome", "Chromium"].map(name => `/Applications/${name}.app/Contents/MacOS/${name}`);
const DEBIAN = ["/usr/lib/chromium/chromium"];

/** Of PARLEY_CHROMIUM: the one from npm, whatever is installed. */
const FROM_NPM = "npm";

interface Found {
  executablePath: string;
  /** Libraries that it brought along. */
  libraries?: string;
}

/** What is installed, or was fetched; otherwise it is fetched, with the settings of npm that this process has. */
export async function chromium(): Promise<Found> {
  const told = process.env["PARLEY_CHROMIUM"];
  if (told === FROM_NPM) return fetched();
  if (told !== undefined && told !== "") return { executablePath: told };
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  const installed = NAMES.flatMap(name => folders.map(folder => join(folder, name)));
  for (const path of [...DEBIAN, ...installed, ...MAC]) if (await isExecutable(path)) return { executablePath: path };
  return fetched();
}

/** Unpacked beside what was fetched: what lies under its name where everybody may write could be anybody's. */
async function fetched(): Promise<Found> {
  if (!(await isFetched())) {
    process.stdout.write("… Fetching a browser\n");
    await promisify(execFile)("npm", ["ci", "--loglevel=error", "--fetch-retries=5", "--no-audit", "--no-fund"], {
      cwd: FETCHED,
    });
  }
  const require = createRequire(join(FETCHED, "package.json"));
  const main = require.resolve("@sparticuz/chromium");
  const { default: found, inflate } = await import(pathToFileURL(main).href);
  const { TMPDIR: before } = process.env;
  process.env["TMPDIR"] = join(FETCHED, "node_modules");
  try {
    const executablePath: string = await found.executablePath();
    // NSS and its like, which a desktop has and a server may not; unpacked by itself only where it was made for.
    const folder: string = await inflate(join(dirname(main), "..", "bin", "al2023.tar.br"));
    return { executablePath, libraries: join(folder, "lib") };
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

/** npm writes the one when it has installed what the other one says. */
async function isFetched(): Promise<boolean> {
  const changed = (name: string): Promise<number> => stat(join(FETCHED, name)).then(({ mtimeMs }) => mtimeMs);
  const [wanted, found] = [changed("package-lock.json"), changed("node_modules/.package-lock.json")];
  return found.then(
    async at => at >= (await wanted),
    () => false,
  );
}

/** Starts it. A Chromium brings much, but not what every desktop has: then it is said what is missing, and what helps. */
export async function launch(): Promise<Browser> {
  const { executablePath, libraries } = await chromium();
  // Chromium refuses to sandbox what root starts; containers and this suite's own tests run as root.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  try {
    if (libraries === undefined) return await driver.launch({ executablePath, args });
    return await driver.launch({ executablePath, args, env: { ...process.env, LD_LIBRARY_PATH: libraries } });
  } catch (error) {
    const missing = /error while loading shared libraries: ([^\s:]+)/.exec(String(error))?.[1];
    if (missing === undefined) throw error;
    throw new Error(
      `${executablePath} needs ${missing}, which this system does not have. Install the system's own Chromium ` +
        "(Debian and Ubuntu: apt install chromium), or name another one in PARLEY_CHROMIUM.",
      { cause: error },
    );
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
