import type { Caller } from "../caller.ts";
import { type EventPage, type ReadState, roomOf, type Stream } from "../protocol.ts";

/** Streams and positions. A Client does all of this by itself. */
export const sync = ({ call }: Caller) => ({
  /** A page of a stream's log. Codes: `resync` below the log's floor. */
  events: async (stream: Stream, after: number, limit = 200, signal?: AbortSignal): Promise<EventPage> => {
    const room_id = roomOf(stream);
    const given = { query: { after, limit }, signal };
    return (await (room_id === null
      ? call("get", "/users/me/events", given)
      : call("get", "/rooms/{room_id}/events", { ...given, path: { room_id } }))) as EventPage;
  },

  /** Read up to here. Positions only grow. */
  markRead: (room_id: string, seq: number): Promise<ReadState> =>
    call("put", "/rooms/{room_id}/read", { path: { room_id }, body: { seq } }),
});
