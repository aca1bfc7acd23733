/** Lists come in pages. */

/** `next` of a page, if not null, goes back as `cursor`. `limit`: 50 unless given, at most 200. */
export interface PageOf {
  limit?: number;
  cursor?: string;
}

interface Page<Item> {
  items: Item[];
  next?: string | null;
}

/** All items of a list, page by page: `for await (const room of each(cursor => api.rooms.list(cursor)))`. */
export async function* each<Item>(page: (of: PageOf) => Promise<Page<Item>>): AsyncGenerator<Item, void> {
  let cursor: string | null | undefined;
  do {
    const found: Page<Item> = await page(cursor == null ? {} : { cursor });
    yield* found.items;
    cursor = found.next;
  } while (cursor != null);
}
