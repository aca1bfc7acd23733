import type { Caller } from "../caller.ts";
import type { Jwks, Me, Registration, Sessions } from "../protocol.ts";

/** Accounts and sessions. Signing in and out is the client's: `client.login`, `client.logout`. */
export const accounts = ({ call, http }: Caller) => ({
  /** A new account. `invite`: where registration is by invitation. Codes: `username_taken`, `weak_password`, `bad_invite`,
   * `registration_closed`, `rate_limited`. */
  register: (body: Registration): Promise<Me> => call("post", "/auth/register", { body, signed: false }),

  sessions: (): Promise<Sessions> => call("get", "/auth/sessions", {}),

  endSession: (session_id: string) => call("delete", "/auth/sessions/{session_id}", { path: { session_id } }),

  /** The other sessions end. Codes: `bad_credentials`, `weak_password`. */
  changePassword: (current_password: string, new_password: string) =>
    call("post", "/auth/password", { body: { current_password, new_password } }),

  /** With an admin's code. Codes: `bad_code`, `weak_password`. */
  resetPassword: (code: string, new_password: string) =>
    call("post", "/auth/reset", { body: { code, new_password }, signed: false }),

  /** The keys that sign access tokens (RFC 7517). */
  keys: async (): Promise<Jwks> => (await http.json("GET", "/.well-known/jwks.json", { root: true })) as Jwks,
});
