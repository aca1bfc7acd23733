/** The scenarios of clients/conformance, with their names filled in. Its README says what each step means. */

import { readdirSync, readFileSync } from "node:fs";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Fields = Record<string, Json | undefined>;

/** An event as a scenario writes it: its stream, its seq or seqs from and to, and what it says if that matters. */
export type Told = [string, number | [number, number], Fields?];
/** `["room:…", 3]`, `["room:…", [3, 9]]`, `["resync", "room:…", 9]`, `["gone", "room:…"]`. */
export type Shown = [string, (number | string | [number, number])?, number?];

export interface Answer {
  status: number;
  body?: Json;
  events?: number[];
  unreachable?: boolean;
  after_ms?: number;
}

export interface Step {
  app?: "connect" | "send" | "close";
  server?: string;
  expect?: string;
  wait_ms?: number;
  room?: string;
  key?: string;
  body?: string;
  auth?: Fields;
  resumes?: { count?: number; includes?: string[]; excludes?: string[] };
  streams?: Record<string, { status: string; head: number }>;
  rooms?: [string, number][];
  epoch?: string;
  events?: Told[];
  frame?: Fields;
  frames?: Fields[];
  text?: string;
  of?: string;
  seq?: number;
  duplicate?: boolean;
  code?: number | string;
  reason?: string;
  retry_after_ms?: number;
  after_ms?: [number, number];
  within_ms?: number;
  for_ms?: number;
  padding?: number;
  notices?: Shown[];
  ack?: Fields;
  refused?: string;
  stopped?: number;
  pending?: boolean;
  state?: string;
  requests?: string[];
  at?: Record<string, number>;
}

export interface Scenario {
  name: string;
  given?: { positions?: { epoch: string; at: Record<string, number> }; random?: number; token_expires_in_s?: number };
  http?: Record<string, Answer[]>;
  for_each?: Record<string, Json[]>;
  steps: Step[];
}

const FOLDER = new URL("../../../conformance/scenarios/", import.meta.url);
export const NAMES = JSON.parse(readFileSync(new URL("../names.json", FOLDER), "utf8")) as Record<string, string>;

export function scenarios(): { file: string; found: Scenario[] }[] {
  return readdirSync(FOLDER)
    .sort()
    .map(file => {
      const text = readFileSync(new URL(file, FOLDER), "utf8").replace(
        /\$([a-z]+)/g,
        (all, name) => NAMES[name] ?? all,
      );
      return { file, found: (JSON.parse(text) as Scenario[]).flatMap(eachOf) };
    });
}

/** One scenario a value of `for_each`: the string "$CODE" is the value of `code`, with its type. */
function eachOf(scenario: Scenario): Scenario[] {
  const { for_each, ...rest } = scenario;
  if (for_each === undefined) return [scenario];
  return Object.entries(for_each).flatMap(([name, values]) =>
    values.map(value => {
      const text = JSON.stringify(rest).replaceAll(`"$${name.toUpperCase()}"`, JSON.stringify(value));
      return { ...JSON.parse(text), name: `${scenario.name}: ${JSON.stringify(value)}` };
    }),
  );
}
