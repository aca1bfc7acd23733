/** What a browser knows of the network and of its user's attention. */

/** `back`: the network is there again, or the page is looked at again. `away`: the network has gone. */
export type Hint = "back" | "away";

/** Nothing happens where there is no window. Call what is returned to hear no more. */
export function listenToHints(tell: (hint: Hint) => void): () => void {
  const page = globalThis.document as Document | undefined;
  const heard = new AbortController();
  const on = (target: EventTarget | undefined, name: string, listener: () => void) =>
    target?.addEventListener?.(name, listener, { signal: heard.signal });
  on(globalThis.window, "online", () => tell("back"));
  on(globalThis.window, "offline", () => tell("away"));
  on(page, "visibilitychange", () => page?.visibilityState === "visible" && tell("back"));
  return () => heard.abort();
}

/** Whether the browser still says so. */
export function networkIsGone(): boolean {
  return globalThis.navigator?.onLine === false;
}
