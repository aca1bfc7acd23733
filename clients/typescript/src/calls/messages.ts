import type { Caller } from "../caller.ts";
import type {
  Journey,
  Message,
  MessageStatus,
  Messages,
  NewMessage,
  Revisions,
  SentMessage,
  Thread,
} from "../protocol.ts";
import type { PageOf } from "./paging.ts";

const MESSAGE = "/rooms/{room_id}/messages/{message_id}";

/** `before` and `after` exclude the seq, `around` includes it. Without any of them: the newest messages. */
export interface Where extends PageOf {
  before?: number;
  after?: number;
  around?: number;
}

/** What is said in a room, and what one does to a message. */
export const messages = ({ call }: Caller) => ({
  /** Top-level messages, ascending by seq, tombstones included. */
  page: (room_id: string, where: Where = {}): Promise<Messages> =>
    call("get", "/rooms/{room_id}/messages", { path: { room_id }, query: where }),

  /** Over HTTP, without a socket and without the outbox; `client.send` has both. */
  send: (room_id: string, body: NewMessage): Promise<SentMessage> =>
    call("post", "/rooms/{room_id}/messages", { path: { room_id }, body }),

  get: (room_id: string, message_id: string): Promise<Message> =>
    call("get", MESSAGE, { path: { room_id, message_id } }),

  /** `rev`: that of the message which the change was made from. Codes: `rev_conflict`, `deleted`, `forbidden`. */
  edit: (room_id: string, message_id: string, rev: number, body: string): Promise<Message> =>
    call("patch", MESSAGE, { path: { room_id, message_id }, body: { rev, body } }),

  /** `reason`: a moderator's. */
  delete: (room_id: string, message_id: string, reason?: string) =>
    call("delete", MESSAGE, {
      path: { room_id, message_id },
      body: reason === undefined ? undefined : { reason },
    }),

  /** For its author and moderators; the first version first. */
  revisions: (room_id: string, message_id: string, of: PageOf = {}): Promise<Revisions> =>
    call("get", `${MESSAGE}/revisions`, { path: { room_id, message_id }, query: of }),

  /** A root and its replies, ascending; of a reply, the thread that it is in. */
  thread: (room_id: string, message_id: string, of: PageOf = {}): Promise<Thread> =>
    call("get", `${MESSAGE}/thread`, { path: { room_id, message_id }, query: of }),

  /** `like`, `dislike` or one emoji. */
  react: (room_id: string, message_id: string, reaction: string) =>
    call("put", `${MESSAGE}/reactions/{reaction}`, { path: { room_id, message_id, reaction } }),

  unreact: (room_id: string, message_id: string, reaction: string) =>
    call("delete", `${MESSAGE}/reactions/{reaction}`, { path: { room_id, message_id, reaction } }),

  pin: (room_id: string, message_id: string) => call("put", `${MESSAGE}/pin`, { path: { room_id, message_id } }),

  unpin: (room_id: string, message_id: string) => call("delete", `${MESSAGE}/pin`, { path: { room_id, message_id } }),

  /** The newest pin first. */
  pins: (room_id: string, of: PageOf = {}): Promise<Messages> =>
    call("get", "/rooms/{room_id}/pins", { path: { room_id }, query: of }),

  /** Follow its thread. */
  follow: (room_id: string, message_id: string) => call("put", `${MESSAGE}/follow`, { path: { room_id, message_id } }),

  unfollow: (room_id: string, message_id: string) =>
    call("delete", `${MESSAGE}/follow`, { path: { room_id, message_id } }),

  /** Sent, delivered or read. `recipients` is null in rooms of more than 100 members. */
  status: (room_id: string, message_id: string): Promise<MessageStatus> =>
    call("get", `${MESSAGE}/status`, { path: { room_id, message_id } }),

  /** From its commit to the devices that have it; for its sender, and for an admin with access to the room. */
  journey: (room_id: string, message_id: string): Promise<Journey> =>
    call("get", `${MESSAGE}/journey`, { path: { room_id, message_id } }),
});
