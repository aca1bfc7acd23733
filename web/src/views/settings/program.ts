/** What a user agent's text says of the program and the system, in a few words; the text itself where it says nothing that is known. */
export function programOf(agent: string): string {
  const program = PROGRAMS.find(([pattern]) => pattern.test(agent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  const found = [program, system].filter(part => part !== undefined).join(", ");
  return found || agent.slice(0, 80) || "?";
}

// Browsers name their ancestors too: the youngest comes first.
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/parley/i, "Parley"],
  [/Edg(e|A|iOS)?\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\/|FxiOS\//, "Firefox"],
  [/HeadlessChrome\/|Chrome\/|CriOS\//, "Chrome"],
  [/Safari\//, "Safari"],
  [/httpx|python/i, "Python"],
  [/^node/i, "Node"],
  [/^curl/i, "curl"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];
