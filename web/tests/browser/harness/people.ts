/** People and rooms, made by the SDK: what a test is not about is not done in the page. */

import { createHmac, randomBytes } from "node:crypto";
import { Client, type MyRoom, type NewRoom, ParleyError } from "@parley/client";

/** Of the gateways, the first first. */
export const URLS = (process.env["PARLEY_URLS"] ?? "http://127.0.0.1:8000").split(",");
export const ADDRESS = String(URLS[0]);

export interface Person {
  client: Client;
  id: string;
  username: string;
  name: string;
  password: string;
}

const made: Client[] = [];

interface Newcomer {
  invite?: string;
  /** As people choose them; taken, another one is found. */
  username?: string;
}

/** Somebody new, signed in by the SDK. */
export async function person(name?: string, { invite, username }: Newcomer = {}): Promise<Person> {
  const short = (name ?? "p")
    .toLowerCase()
    .replace(/[^a-z]/g, "")
    .slice(0, 10);
  const chosen = username ?? `${short || "p"}-${randomBytes(4).toString("hex")}`;
  const password = `a long passphrase of ${chosen}`;
  const client = new Client({ url: ADDRESS });
  made.push(client);
  try {
    const me = await client.register({
      username: chosen,
      password,
      ...(name === undefined ? {} : { display_name: name }),
      ...(invite === undefined ? {} : { invite }),
    });
    return { client, id: me.id, username: chosen, name: me.display_name, password };
  } catch (error) {
    if (username === undefined || !(error instanceof ParleyError) || error.code !== "username_taken") throw error;
    return person(name, invite === undefined ? {} : { invite });
  }
}

/** What `make run` prints the link with: whoever registers with it is an admin, once. */
export function operatorsInvitation(): string {
  const body = `op1.${randomBytes(9).toString("base64url")}.${Math.floor(Date.now() / 1000) + 600}`;
  const key = process.env["PARLEY_OPERATOR_KEY"];
  if (!key) throw new Error("PARLEY_OPERATOR_KEY is missing: tests/browser/test_web.py gives it.");
  return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
}

export const admin = (name?: string): Promise<Person> => person(name, { invite: operatorsInvitation() });

/** A public room of the first of them, with the others in it. */
export async function room(
  owner: Person,
  others: readonly Person[] = [],
  more: Partial<NewRoom> = {},
): Promise<MyRoom> {
  const found = await owner.client.api.rooms.create({ name: "Kitchen", visibility: "public", ...more });
  for (const other of others) await owner.client.api.rooms.addMember(found.id, other.id);
  return found;
}

/** Committed when it resolves. */
export const say = (who: Person, where: MyRoom, body: string) =>
  who.client.api.messages.send(where.id, { client_msg_id: crypto.randomUUID(), body });

/** Has the launcher's supervisor kill a process of the suite, and start it again. */
export async function kill(what: string, index = 0): Promise<void> {
  const answer = await fetch(`${process.env["PARLEY_CONTROL"]}/kill/${what}/${index}`, { method: "POST" });
  if (answer.status !== 204) throw new Error(`kill ${what}: ${answer.status}`);
}

export function closeEverybody(): void {
  for (const client of made.splice(0)) client.close();
}
