/** The page's icon with a number in it; loaded when there is one to show. */

const ICON = "/icon.svg";
/** Two digits and more would be too small to read. */
const MOST = 9;

/** An address for it. Throws if the icon cannot be had. */
export async function iconWith(count: number): Promise<string> {
  const answer = await fetch(ICON);
  if (!answer.ok) throw new Error(`${ICON}: ${answer.status}`);
  const [text, size, y] = count > MOST ? [`${MOST}+`, 12, 15] : [count, 18, 17];
  const font = `font-family="sans-serif" font-weight="700" font-size="${size}"`;
  // Larger than the dot: it is to be read at 16 pixels.
  const number = `<circle cx="21" cy="11" r="11" fill="#d0342c"/><text x="21" y="${y}" ${font} text-anchor="middle" fill="#fff">${text}</text>`;
  return `data:image/svg+xml,${encodeURIComponent((await answer.text()).replace("</svg>", `${number}</svg>`))}`;
}
