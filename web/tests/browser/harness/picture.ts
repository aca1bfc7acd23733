/** Images, made here. */

import { crc32, deflateSync } from "node:zlib";

type Colour = readonly [red: number, green: number, blue: number];

const HEAD = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A PNG (ISO/IEC 15948) of that many pixels; comment: in a chunk of text, as cameras and programs leave it. */
export function png(
  width: number,
  height: number,
  colour: (x: number, y: number) => Colour,
  comment = "",
): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits for each of red, green and blue.
  header.set([8, 2], 8);
  const lines = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) lines.set(colour(x, y).map(Math.round), y * (1 + 3 * width) + 1 + 3 * x);
  return new Uint8Array(
    Buffer.concat([
      HEAD,
      chunk("IHDR", header),
      chunk("tEXt", Buffer.from(`Comment\0${comment}`, "latin1")),
      chunk("IDAT", deflateSync(lines)),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

function chunk(kind: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

/** Hills in the evening. */
export function landscape(width = 640, height = 360): Uint8Array<ArrayBuffer> {
  const hill = (x: number, base: number, steep: number, at: number): number =>
    height * (base - 0.1 * Math.sin((x / width) * steep + at) - 0.05 * Math.sin((x / width) * steep * 2.3 + at * 2));
  return png(width, height, (x, y) => {
    if (y > hill(x, 0.88, 4, 1)) return [38, 52, 48];
    if (y > hill(x, 0.74, 5, 3)) return [58, 84, 76];
    if (y > hill(x, 0.62, 6, 0)) return [96, 122, 112];
    const sun = Math.hypot(x - 0.7 * width, y - 0.4 * height) / height;
    if (sun < 0.09) return [255, 240, 200];
    const down = y / height;
    const glow = Math.max(0, 1 - sun * 1.6);
    return [90 + 150 * down + 60 * glow, 110 + 90 * down + 40 * glow, 170 - 20 * down].map(part =>
      Math.min(255, part),
    ) as unknown as Colour;
  });
}
