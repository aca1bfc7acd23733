import type { Caller } from "../caller.ts";
import type { paths } from "../generated/protocol.gen.ts";
import type {
  AccessGrant,
  AccountChange,
  AdminUser,
  AdminUsers,
  AuditEntries,
  Cluster,
  Connections,
  ExportedEntries,
  IndexState,
  Keys,
  KeysDestroyed,
  KeysRotated,
  NewAccess,
  OneTimeCode,
  Report,
  Reports,
  Rotation,
  SignedHeads,
  StoreChecked,
  Verified,
} from "../protocol.ts";
import type { PageOf } from "./paging.ts";

type QueryOf<P extends keyof paths> = NonNullable<NonNullable<paths[P]["get"]>["parameters"]["query"]>;

/** For admins. */
export const admin = ({ call }: Caller) => ({
  users: (given: PageOf & { query?: string } = {}): Promise<AdminUsers> =>
    call("get", "/admin/users", { query: given }),

  /** Role, or whether the account is disabled. Codes: `last_admin`. */
  updateUser: (user_id: string, body: AccountChange): Promise<AdminUser> =>
    call("patch", "/admin/users/{user_id}", { path: { user_id }, body }),

  /** A code for a new password, shown once. */
  resetCode: (user_id: string): Promise<OneTimeCode> =>
    call("post", "/admin/users/{user_id}/reset-code", { path: { user_id } }),

  /** A one-use invitation. */
  invite: (): Promise<OneTimeCode> => call("post", "/admin/invites", {}),

  /** To read a room for so many minutes. Its owners are told. */
  grantAccess: (body: NewAccess): Promise<AccessGrant> => call("post", "/admin/access", { body }),

  /** Of all rooms; for global moderators those of public rooms. */
  reports: (of: PageOf = {}): Promise<Reports> => call("get", "/admin/reports", { query: of }),

  resolveReport: (report_id: string, resolution: string): Promise<Report> =>
    call("patch", "/admin/reports/{report_id}", { path: { report_id }, body: { resolution } }),

  /** The audit trail of `accounts` or `rooms`, the newest entries first. */
  audit: (query: QueryOf<"/admin/audit">): Promise<AuditEntries> => call("get", "/admin/audit", { query }),

  /** The public key that exports are signed with, 64 hex digits. */
  auditKey: async (): Promise<string> => (await call("get", "/admin/audit/key", {})).public_key,

  /** Signed statements on where chains end, as an export begins with. */
  auditHeads: (query: QueryOf<"/admin/audit/heads">): Promise<SignedHeads> =>
    call("get", "/admin/audit/heads", { query }),

  /** Entries with their proofs. */
  auditEntries: (query: QueryOf<"/admin/audit/entries">): Promise<ExportedEntries> =>
    call("get", "/admin/audit/entries", { query }),

  /** How sockets came and went, the newest first. */
  connections: (query: QueryOf<"/admin/connections"> = {}): Promise<Connections> =>
    call("get", "/admin/connections", { query }),

  /** What keys of sealed rooms and images are wrapped under; never a key itself. */
  keys: (query: QueryOf<"/admin/keys"> = {}): Promise<Keys> => call("get", "/admin/keys", { query }),

  /** A new key for a room; or one step of wrapping a service's keys under today's wrapping key: go on with its `next`. */
  rotateKeys: (body: Rotation): Promise<KeysRotated> => call("post", "/admin/keys/rotate", { body }),

  /** For good: nobody reads what was said in the room so far. */
  destroyKeys: (room_id: string, reason: string): Promise<KeysDestroyed> =>
    call("post", "/admin/keys/destroy", { body: { room_id, reason } }),

  /** One step of comparing the images' database and bucket: go on with its `next`. */
  checkMedia: (query: QueryOf<"/admin/media/check"> = {}): Promise<StoreChecked> =>
    call("get", "/admin/media/check", { query }),

  /** Which processes there are. */
  cluster: (): Promise<Cluster> => call("get", "/admin/cluster", {}),

  /** One step of comparing what is kept of `rooms`, `people` or the search `index`: go on with its `next`. */
  verify: (what: "rooms" | "people" | "index", query: QueryOf<"/admin/verify/{what}"> = {}): Promise<Verified> =>
    call("get", "/admin/verify/{what}", { path: { what }, query }),

  /** How far the search index is. */
  index: (): Promise<IndexState> => call("get", "/admin/search", {}),

  /** It goes on by itself, and searching works meanwhile. */
  rebuildIndex: (): Promise<IndexState> => call("post", "/admin/search/rebuild", {}),
});
