/** A message has a text: that of images alone is how their files are called. It is said where they are not seen, and not drawn beside them. */

const NAME = /^\S.*\.(?:png|jpe?g|gif|webp)$/i;

export const textOf = (names: readonly string[]): string => names.join(", ");

/** How they are called, if the text of so many images says nothing else. */
export function namesOf(body: string | null, format: string | undefined, images: number): string[] | null {
  const names = body?.split(", ") ?? [];
  return images > 0 && format === "plain" && names.length === images && names.every(name => NAME.test(name))
    ? names
    : null;
}
