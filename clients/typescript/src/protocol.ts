/** The objects of protocol version 1. Fields may be added to them within the version: ignore what you do not know. */

import type {
  AccountUpdated,
  EventFrame,
  MemberJoined,
  MemberLeft,
  MemberRemoved,
  MemberUpdated,
  MessageCreated,
  MessageDeleted,
  MessageEdited,
  MessagePinned,
  MessageUnpinned,
  NotificationCreated,
  NotificationRead,
  ReactionAdded,
  ReactionRemoved,
  RoomDeleted,
  RoomJoined,
  RoomLeft,
  RoomRestored,
  RoomUpdated,
} from "./generated/protocol.gen.ts";

export type {
  AccessGrant,
  AccountChange,
  AccountUpdated,
  AdminUser,
  AdminUsers,
  AuditEntries,
  AuditEntry,
  Block,
  Blocks,
  Choice as PresenceChoice,
  Cluster,
  ConnectionRow,
  Connections,
  DirectoryRoom,
  DirectoryRooms,
  Erasure,
  ErasureBegun,
  ExportedEntries,
  ExportLine,
  FoundMessage,
  FoundMessages,
  Image,
  IndexState,
  Journey,
  JourneyCommit,
  JourneyDecision,
  JourneyDevice,
  JourneyPart,
  JourneyPublication,
  Jwks,
  Keys,
  KeysDestroyed,
  KeysRotated,
  ListedNotification,
  Me,
  Measure,
  MeChange,
  Member,
  MemberJoined,
  MemberLeft,
  MemberRemoved,
  Members,
  MemberUpdated,
  Message,
  MessageCreated,
  MessageDeleted,
  MessageEdited,
  MessagePinned,
  MessageRecipient,
  MessageStatus,
  Messages,
  MessageUnpinned,
  MyRoom,
  MyRooms,
  NewAccess,
  NewMember,
  NewMessage,
  NewRoom,
  Notification,
  NotificationCreated,
  NotificationRead,
  Notifications,
  OneTimeCode,
  Presence,
  PresenceFrame,
  Presences,
  Reaction,
  ReactionAdded,
  ReactionRemoved,
  ReadState,
  ReadyFrame,
  ReceiptFrame,
  Registration,
  Report,
  Reported,
  Reports,
  Revision,
  Revisions,
  Room,
  RoomChange,
  RoomDeleted,
  RoomJoined,
  RoomLeft,
  RoomPrivacy,
  RoomRestored,
  RoomUpdated,
  Rotation,
  Sanction,
  Sanctions,
  SendAckFrame,
  SentMessage,
  Session,
  Sessions,
  SignedHeads,
  StoreChecked,
  StreamStanding,
  Thread,
  Thumbnail,
  TokenAnswer,
  TypingFrame,
  User,
  Users,
  Verified,
} from "./generated/protocol.gen.ts";

/** `room:<id>`, or `user:<id>` for what concerns oneself. */
export type Stream = string;

/** What happened; `kind` says which it is. A kind that is not listed here belongs to a later version: ignore it. */
export type AnyEvent =
  | MessageCreated
  | MessageEdited
  | MessageDeleted
  | MessagePinned
  | MessageUnpinned
  | ReactionAdded
  | ReactionRemoved
  | MemberJoined
  | MemberLeft
  | MemberRemoved
  | MemberUpdated
  | RoomUpdated
  | RoomDeleted
  | RoomRestored
  | RoomJoined
  | RoomLeft
  | NotificationCreated
  | NotificationRead
  | AccountUpdated;

/** One step of a stream, as it arrives and as a page of the log holds it. */
export type StreamEvent = Pick<EventFrame, "stream" | "seq"> & { event: AnyEvent };

/** The `{stream: seq}` that a client goes on from. */
export interface Resume {
  epoch: string;
  at: Record<Stream, number>;
}

/** A page of a stream's log. `next` is the `after` of the following one. */
export interface EventPage {
  items: StreamEvent[];
  head: number;
  next?: string | null;
}

export const roomStream = (roomId: string): Stream => `room:${roomId}`;

/** The room of a stream, null for the user's own. */
export const roomOf = (stream: Stream): string | null => (stream.startsWith("room:") ? stream.slice(5) : null);
