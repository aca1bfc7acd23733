/** Frames as they come from the wire: only what is relied on is looked at, so that the server may grow. */

import { ParleyError } from "./errors.ts";
import type { ReadyFrame, SendAckFrame, StreamEvent } from "./protocol.ts";

export type AnyFrame = { type: string } & Record<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Null for what is no frame. */
export function parse(data: unknown): AnyFrame | null {
  if (typeof data !== "string") return null;
  try {
    const found: unknown = JSON.parse(data);
    return isObject(found) ? (found as AnyFrame) : null;
  } catch {
    return null;
  }
}

const isSeq = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

export function isEvent(frame: object): frame is StreamEvent {
  const { stream, seq, event } = frame as Record<string, unknown>;
  if (typeof stream !== "string" || !isSeq(seq) || !isObject(event)) return false;
  // Positions depend on these two.
  if (event["kind"] === "room.joined") return typeof event["room_id"] === "string" && isSeq(event["from_seq"]);
  if (event["kind"] === "room.left") return typeof event["room_id"] === "string" && isSeq(event["to_seq"]);
  return true;
}

export function isReady(frame: object): frame is ReadyFrame {
  const { epoch, rooms, streams, user } = frame as Record<string, unknown>;
  if (typeof epoch !== "string" || !Array.isArray(rooms) || !isObject(streams)) return false;
  if (!isObject(user) || typeof user["id"] !== "string") return false;
  return (
    rooms.every(room => isObject(room) && typeof room["id"] === "string" && isSeq(room["head"])) &&
    Object.values(streams).every(standing => isObject(standing) && isSeq(standing["head"]))
  );
}

export function isSendAck(frame: object): frame is SendAckFrame {
  const { message_id, seq } = frame as Record<string, unknown>;
  return typeof message_id === "string" && isSeq(seq);
}

/** What an `error` frame says. */
export function refusalOf({ code, detail, retry_after_ms: retryAfterMs, errors }: AnyFrame): ParleyError {
  return new ParleyError(String(code), String(detail), {
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
    errors: isObject(errors) ? (errors as Record<string, string>) : undefined,
  });
}
