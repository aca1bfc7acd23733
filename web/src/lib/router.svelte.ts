/** Which view is shown: the address of the page, without a hash. */

export type Route =
  | { name: "home" }
  | { name: "room"; roomId: string; messageId?: string }
  | { name: "thread"; roomId: string; rootId: string; messageId?: string }
  | { name: "directory" }
  | { name: "search"; query: URLSearchParams }
  | { name: "notifications" }
  | { name: "settings"; section: string }
  | { name: "admin"; section: string }
  | { name: "signin" }
  | { name: "register"; invite: string | null }
  | { name: "reset" }
  | { name: "setup" }
  | { name: "unknown" };

/** Those that one sees without being signed in. */
export const OPEN_ROUTES: readonly Route["name"][] = ["signin", "register", "reset", "setup"];

export function parseRoute(address: URL): Route {
  const parts = address.pathname.split("/").filter(Boolean);
  const [first, second, third, fourth, fifth] = parts.map(part => safely(part));
  switch (first) {
    case undefined:
      return { name: "home" };
    case "rooms":
      if (second === undefined) return { name: "directory" };
      if (third === undefined) return { name: "room", roomId: second };
      if (third === "messages" && fourth !== undefined) return { name: "room", roomId: second, messageId: fourth };
      if (third === "threads" && fourth !== undefined) {
        return { name: "thread", roomId: second, rootId: fourth, ...(fifth === undefined ? {} : { messageId: fifth }) };
      }
      return { name: "unknown" };
    case "search":
      return { name: "search", query: address.searchParams };
    case "notifications":
      return { name: "notifications" };
    case "settings":
    case "admin":
      return { name: first, section: second ?? "" };
    case "register":
      return { name: "register", invite: address.searchParams.get("invite") };
    case "signin":
    case "reset":
    case "setup":
      return { name: first };
    default:
      return { name: "unknown" };
  }
}

/** A part of an address that is not well encoded names nothing. */
function safely(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "\uFFFD";
  }
}

export const paths = {
  room: (roomId: string): string => `/rooms/${encodeURIComponent(roomId)}`,
  message: (roomId: string, messageId: string): string =>
    `/rooms/${encodeURIComponent(roomId)}/messages/${encodeURIComponent(messageId)}`,
  thread: (roomId: string, rootId: string, messageId?: string): string =>
    `/rooms/${encodeURIComponent(roomId)}/threads/${encodeURIComponent(rootId)}${
      messageId === undefined ? "" : `/${encodeURIComponent(messageId)}`
    }`,
  search: (query: Record<string, string>): string => `/search?${new URLSearchParams(query)}`,
};

class Router {
  route = $state.raw<Route>(parseRoute(new URL(location.href)));
  /** The path with its query, for the mark of the present link. */
  path = $state(location.pathname + location.search);
  #uncover: (() => void) | null = null;

  constructor() {
    addEventListener("popstate", () => {
      this.#reveal();
      if (location.pathname + location.search !== this.path) this.#read();
    });
  }

  /** Go there, also where one is already: one may have moved on in it since. `replace` leaves no way back to the present address. */
  go(path: string, { replace = false } = {}): void {
    const covered = this.#reveal();
    if (path !== this.path) history[replace || covered ? "replaceState" : "pushState"](null, "", path);
    this.#read();
  }

  /** Something lies over the whole page: the way back takes it away, and does no more than that. Returns what takes it away otherwise. */
  cover(uncover: () => void): () => void {
    history.pushState(null, "");
    this.#uncover = uncover;
    return () => {
      if (this.#uncover === uncover) history.back();
    };
  }

  #reveal(): boolean {
    const uncover = this.#uncover;
    this.#uncover = null;
    uncover?.();
    return uncover !== null;
  }

  /** Links of the page itself change the view and load nothing. */
  follow = (event: MouseEvent): void => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin) return;
    if (link.hasAttribute("download") || /^\/(api|docs|openapi\.json|asyncapi\.json)/.test(link.pathname)) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  };

  #read(): void {
    this.path = location.pathname + location.search;
    this.route = parseRoute(new URL(location.href));
  }
}

export const router = new Router();
