/**
 * Parley for browsers and Node: a client that loses nothing.
 *
 *     const client = new Client({ url: "http://127.0.0.1:8000" });
 *     await client.login("alice", "a long passphrase of alice");
 *     client.on("event", ({ stream, seq, event }) => console.log(stream, seq, event.kind));
 *     await client.connect();
 *     await client.send(roomId, "Hello!");
 */

export type { Api } from "./api.ts";
export type { UploadOptions } from "./calls/media.ts";
export type { Where } from "./calls/messages.ts";
export type { NotifyLevel } from "./calls/notifications.ts";
export { each, type PageOf } from "./calls/paging.ts";
export type { RoomRole } from "./calls/rooms.ts";
export type { Query } from "./calls/search.ts";
export { Client, type ClientEvents, type ClientOptions, type Details } from "./client.ts";
export type { ConnectionState } from "./connection.ts";
export type { Observable, Unsubscribe } from "./emitter.ts";
export { type Close, type Interruption, ParleyError } from "./errors.ts";
export { type Locks, localLocks } from "./locks.ts";
export type { Outbox } from "./outbox.ts";
export type { EventNotice, GoneNotice, Notice, ResyncNotice } from "./positions.ts";
export * from "./protocol.ts";
export { MemoryTokens, type Session as SignIn, type TokenStore, type Tokens } from "./session.ts";
export {
  type Draft,
  type EntryState,
  MemoryOutbox,
  type OutboxEntry,
  type OutboxStorage,
  type Refusal,
  type Sent,
  type StoredEntry,
} from "./storage.ts";
