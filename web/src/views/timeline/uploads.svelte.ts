/** Images on their way to the server, before the message that carries them. */

import { type Client, type Image, ParleyError } from "@parley/client";
import { errorText, t } from "../../lib/i18n.svelte.ts";

export interface Upload {
  key: number;
  name: string;
  /** A small picture of it: of the file itself, or of what the server has. */
  preview: string;
  /** From 0 to 1. */
  share: number;
  image: Pick<Image, "id"> | null;
  failure: string;
  /** What it is of, if it may be tried once more. */
  file: File | null;
}

/** Of one message. */
const MOST = 10;
const MOST_BYTES = 10 * 1024 * 1024;
export const TYPES = ["image/jpeg", "image/png", "image/gif", "image/webp"];
/** With the same file the same answer. */
const FOR_GOOD = ["too_large", "bad_image", "unsupported_media_type"];

export class Uploads {
  list = $state<Upload[]>([]);
  readonly #client: Client;
  readonly #done: (image: Image) => void;
  readonly #aborts = new Map<number, AbortController>();
  #lastKey = 0;

  constructor(client: Client, done: (image: Image) => void) {
    this.#client = client;
    this.#done = done;
  }

  get isBusy(): boolean {
    return this.list.some(upload => upload.image === null && upload.failure === "");
  }

  get hasFailed(): boolean {
    return this.list.some(({ failure }) => failure !== "");
  }

  get images(): Pick<Image, "id">[] {
    return this.list.flatMap(({ image }) => image ?? []);
  }

  /** What is to be said of those that were not taken; empty if all were. */
  add(files: readonly File[]): string {
    const images = files.filter(({ type }) => TYPES.includes(type));
    const room = Math.max(0, MOST - this.list.length);
    for (const file of images.slice(0, room)) {
      const key = this.#put({ name: file.name, preview: URL.createObjectURL(file), file });
      if (file.size > MOST_BYTES) this.#change(key, { failure: t("errors.too_large"), file: null });
      else void this.#upload(key, file);
    }
    return [
      images.length < files.length ? t("errors.unsupported_media_type") : "",
      images.length > room ? t("image.too_many") : "",
    ]
      .filter(Boolean)
      .join(" ");
  }

  /** Images that the server has already. */
  putBack(images: readonly { id: string; name: string }[]): void {
    for (const { id, name } of images)
      this.#put({ name, preview: this.#client.api.media.url(id), file: null, share: 1, image: { id } });
  }

  again(key: number): void {
    const file = this.list.find(upload => upload.key === key)?.file;
    if (file == null) return;
    this.#change(key, { failure: "", share: 0 });
    void this.#upload(key, file);
  }

  remove(key: number): void {
    this.#aborts.get(key)?.abort();
    this.#aborts.delete(key);
    const found = this.list.find(upload => upload.key === key);
    if (found !== undefined) URL.revokeObjectURL(found.preview);
    this.list = this.list.filter(upload => upload.key !== key);
  }

  /** All of them are sent, or left. */
  clear(): void {
    for (const { key } of [...this.list]) this.remove(key);
  }

  #put(upload: Pick<Upload, "name" | "preview" | "file"> & Partial<Upload>): number {
    this.#lastKey += 1;
    this.list.push({ key: this.#lastKey, share: 0, image: null, failure: "", ...upload });
    return this.#lastKey;
  }

  #change(key: number, what: Partial<Upload>): void {
    const found = this.list.find(upload => upload.key === key);
    if (found !== undefined) Object.assign(found, what);
  }

  async #upload(key: number, file: File): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(key, abort);
    try {
      const image = await this.#client.api.media.upload(file, {
        signal: abort.signal,
        onProgress: share => this.#change(key, { share }),
      });
      this.#done(image);
      this.#change(key, { image, share: 1 });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof ParleyError)) throw error;
      this.#change(key, { failure: errorText(error), ...(FOR_GOOD.includes(error.code) ? { file: null } : {}) });
    }
  }
}

/** Files are dragged, and no text. */
export const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

/** What was chosen stays with its place as long as the page and its client live. */
let kept: { client: Client; places: Map<string, Uploads> } | null = null;

export function uploadsAt(place: string, client: Client, done: (image: Image) => void): Uploads {
  if (kept?.client !== client) {
    for (const uploads of kept?.places.values() ?? []) uploads.clear();
    kept = { client, places: new Map() };
  }
  const found = kept.places.get(place) ?? new Uploads(client, done);
  kept.places.set(place, found);
  return found;
}

/** Images that would be gone with the page. */
export const isAnyChosen = (): boolean => [...(kept?.places.values() ?? [])].some(({ list }) => list.length > 0);
