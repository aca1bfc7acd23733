import type { Caller } from "../caller.ts";
import { ParleyError } from "../errors.ts";
import type { Blocks, Erasure, ErasureBegun, ExportLine, Me, MeChange, User, Users } from "../protocol.ts";
import type { PageOf } from "./paging.ts";

/** Oneself, other people, and whom one does not want to hear from. */
export const users = (caller: Caller) => ({
  me: (): Promise<Me> => caller.call("get", "/users/me", {}),

  /** `rev`: that of the profile which the change was made from. Codes: `rev_conflict`. */
  updateMe: (body: MeChange): Promise<Me> => caller.call("patch", "/users/me", { body }),

  /** For good. Keep the answer: with its code `erasure` tells how far it has come. Codes: `bad_credentials`, `last_admin`. */
  eraseMe: (password: string): Promise<ErasureBegun> => caller.call("delete", "/users/me", { body: { password } }),

  /** How far an erasure has come: with its code, or as an admin. */
  erasure: (erasure_id: string, code?: string): Promise<Erasure> =>
    caller.call("get", "/erasures/{erasure_id}", {
      path: { erasure_id },
      headers: code === undefined ? undefined : { "Parley-Erasure-Code": code },
      signed: code === undefined,
    }),

  /** Everything that is kept of oneself, line by line. Throws ParleyError `incomplete` if the file does not reach its end. */
  exportMe: (): AsyncGenerator<ExportLine & Record<string, unknown>, void> => exported(caller),

  get: (user_id: string): Promise<User> => caller.call("get", "/users/{user_id}", { path: { user_id } }),

  byIds: (ids: readonly string[]): Promise<Users> => caller.call("get", "/users", { query: { ids: ids.join(",") } }),

  /** By the beginning of a username or display name. */
  find: (query: string, of: PageOf = {}): Promise<Users> => caller.call("get", "/users", { query: { query, ...of } }),

  blocks: (of: PageOf = {}): Promise<Blocks> => caller.call("get", "/users/me/blocks", { query: of }),

  /** Neither reaches the other any more, but in rooms that both are in. */
  block: (user_id: string) => caller.call("put", "/users/me/blocks/{user_id}", { path: { user_id } }),

  unblock: (user_id: string) => caller.call("delete", "/users/me/blocks/{user_id}", { path: { user_id } }),
});

async function* exported(caller: Caller): AsyncGenerator<ExportLine & Record<string, unknown>, void> {
  const cut = new ParleyError("incomplete", "The export was cut off; try again.");
  const response = await caller.signed(headers => caller.http.response("GET", "/users/me/export", { headers }));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let count = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read().catch(() => {
      throw cut;
    });
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const found = JSON.parse(line);
      yield found;
      if (found.type === "end" && found.lines === count) return;
      count += 1;
    }
  }
  throw cut;
}
