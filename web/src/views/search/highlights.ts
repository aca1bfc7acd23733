/** A body cut into what was looked for and the rest. */

export interface Part {
  text: string;
  hit: boolean;
}

/** highlights: `[start, end)` in code points, as the server counts, in any order. */
export function highlighted(body: string, highlights: readonly (readonly [number, number])[]): Part[] {
  const points = [...body];
  const parts: Part[] = [];
  let at = 0;
  for (const [start, end] of [...highlights].sort((one, other) => one[0] - other[0])) {
    const from = Math.max(start, at);
    if (end <= from) continue;
    if (from > at) parts.push({ text: points.slice(at, from).join(""), hit: false });
    parts.push({ text: points.slice(from, end).join(""), hit: true });
    at = end;
  }
  if (at < points.length) parts.push({ text: points.slice(at).join(""), hit: false });
  return parts;
}
