import type { Caller } from "../caller.ts";
import type { paths } from "../generated/protocol.gen.ts";
import type { FoundMessages } from "../protocol.ts";

/** In `q`: words, `"phrases"`, `-not`, `from:username`, `in:room`, `has:image`. `after` and `before` are instants. */
export type Query = NonNullable<paths["/search"]["get"]["parameters"]["query"]>;

export const search = ({ call }: Caller) => ({
  /**
   * Messages of rooms that one is in, the newest first. `highlights`: `[start, end)` in code points of a body.
   * Codes: `invalid`, whose sentence says what is wrong with `q`.
   */
  messages: (query: Query): Promise<FoundMessages> => call("get", "/search", { query }),
});
