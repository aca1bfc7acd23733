/** Images on their way to the server, before the message that carries them. */

import { type Client, type Image, ParleyError } from "@parley/client";
import { errorText, t } from "../../lib/i18n.svelte.ts";

export interface Upload {
  key: number;
  name: string;
  /** Of the file itself, for a small picture of it. */
  preview: string;
  /** From 0 to 1. */
  share: number;
  image: Image | null;
  failure: string;
}

/** Of one message. */
const MOST = 10;
const MOST_BYTES = 10 * 1024 * 1024;

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

  get images(): Image[] {
    return this.list.flatMap(({ image }) => image ?? []);
  }

  /** How many were too many. */
  add(files: readonly File[]): number {
    const images = files.filter(file => file.type.startsWith("image/"));
    const room = MOST - this.list.length;
    for (const file of images.slice(0, room)) void this.#upload(file);
    return Math.max(0, images.length - room);
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

  async #upload(file: File): Promise<void> {
    this.#lastKey += 1;
    const key = this.#lastKey;
    const abort = new AbortController();
    this.#aborts.set(key, abort);
    this.list.push({ key, name: file.name, preview: URL.createObjectURL(file), share: 0, image: null, failure: "" });
    const change = (what: Partial<Upload>) => {
      const found = this.list.find(upload => upload.key === key);
      if (found !== undefined) Object.assign(found, what);
    };
    if (file.size > MOST_BYTES) return change({ failure: t("errors.too_large") });
    try {
      const image = await this.#client.api.media.upload(file, {
        signal: abort.signal,
        onProgress: share => change({ share }),
      });
      this.#done(image);
      change({ image, share: 1 });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof ParleyError)) throw error;
      change({ failure: errorText(error) });
    }
  }
}
