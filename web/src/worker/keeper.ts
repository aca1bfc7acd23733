/** One build of the page, kept in the browser's cache. */

/** What a build consists of; addresses begin with a slash. */
export interface Build {
  /** Another one for another build. */
  version: string;
  /** What its page begins with: a page that does not name it is of another build. */
  entry: string;
  /** Files whose names change with their content, and that any view may need. */
  parts: readonly string[];
  /** Those that are kept once they were used. */
  rare: readonly string[];
  /** Besides the page: files whose names stay. */
  others: readonly string[];
}

const PAGE = "/";
const PARTS = "/assets/";
const PREFIX = "parley-";
/** A network that has not answered by then is as good as none. */
const PATIENCE_MS = 4_000;
/** So says a proxy behind which no gateway is. */
const NOBODY: readonly number[] = [502, 503, 504];

// Whatever encoding it once came in: the browser has undone it.
const ANY: CacheQueryOptions = { ignoreVary: true };

export class Keeper {
  readonly #build: Build;
  readonly #caches: CacheStorage;
  readonly #fetch: typeof fetch;
  readonly #name: string;

  constructor(build: Build, caches: CacheStorage, fetcher: typeof fetch) {
    this.#build = build;
    this.#caches = caches;
    this.#fetch = fetcher;
    this.#name = PREFIX + build.version;
  }

  /** All of the build, or an error: it is tried again at a later visit. */
  async take(): Promise<void> {
    const { entry, parts, others } = this.#build;
    const page = await this.#fetch(PAGE, { cache: "no-cache" });
    // While gateways are replaced one by one this may be another one's.
    if (!page.ok || !(await page.clone().text()).includes(entry)) throw new Error("The page is of another build.");
    const cache = await this.#caches.open(this.#name);
    await cache.addAll([...parts, ...others]);
    await cache.put(PAGE, page);
  }

  /** Keeps this build and the one before, of which pages may still be open. */
  async tidy(): Promise<void> {
    const found = await this.#caches.keys();
    const old = found.filter(name => name.startsWith(PREFIX) && name !== this.#name);
    await Promise.all(old.slice(0, -1).map(name => this.#caches.delete(name)));
  }

  /** Null for what is none of its business. */
  answer(request: Request, origin: string): Promise<Response> | null {
    const { pathname, origin: asked } = new URL(request.url);
    if (request.method !== "GET" || asked !== origin || pathname.startsWith("/api/")) return null;
    if (pathname.startsWith(PARTS)) return this.#part(request, pathname);
    if (request.mode === "navigate") return this.#fresh(request, PAGE);
    return this.#build.others.includes(pathname) ? this.#fresh(request, pathname) : null;
  }

  /** From here, else from the network. */
  async #part(request: Request, pathname: string): Promise<Response> {
    const kept = await this.#caches.match(request, ANY);
    if (kept !== undefined) return kept;
    const answer = await this.#fetch(request);
    if (answer.ok && this.#build.rare.includes(pathname)) {
      const cache = await this.#caches.open(this.#name);
      await cache.put(request, answer.clone());
    }
    return answer;
  }

  /** From the network, else from here. */
  async #fresh(request: Request, name: string): Promise<Response> {
    const asked = this.#fetch(request);
    // Nobody may be left who waits for it when it fails.
    asked.catch(() => undefined);
    const kept = async (): Promise<Response | undefined> => (await this.#caches.open(this.#name)).match(name, ANY);
    try {
      const answer = await inTime(asked);
      return NOBODY.includes(answer.status) ? ((await kept()) ?? answer) : answer;
    } catch {
      // Nobody answers, or not soon; without anything here, however late it comes.
      return (await kept()) ?? asked;
    }
  }
}

async function inTime(answer: Promise<Response>): Promise<Response> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("late")), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
