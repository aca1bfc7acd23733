import type { Caller } from "../caller.ts";
import { ParleyError } from "../errors.ts";
import { parsed, problem } from "../http.ts";
import type { Image } from "../protocol.ts";

export interface UploadOptions {
  /** Of the file, if it is none by itself. */
  name?: string;
  /** Takes it back; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** How much has gone, from 0 to 1; only where there is XMLHttpRequest. */
  onProgress?: (share: number) => void;
}

/** Images. They are seen by their owner until they are sent, then by whoever sees a message that carries them. */
export const media = (caller: Caller) => ({
  /** Name its id in `media_ids` when sending. Codes: `too_large`, `bad_image`, `unsupported_media_type`, `rate_limited`. */
  upload: (file: Blob, options: UploadOptions = {}): Promise<Image> => {
    const body = new FormData();
    body.append("file", file, options.name ?? (file instanceof File ? file.name : "image"));
    return caller.signed(headers =>
      globalThis.XMLHttpRequest === undefined
        ? byFetch(caller, headers, body, options)
        : byXhr(caller, headers, body, options),
    );
  },

  /** Of an image, or of its thumbnail of that size: for `src` where cookies are used. */
  url: (image_id: string, size?: number): string => caller.http.address(path(image_id, size)),

  /** Its bytes, for who has no cookies. */
  get: async (image_id: string, size?: number): Promise<Blob> => {
    const response = await caller.signed(headers => caller.http.response("GET", path(image_id, size), { headers }));
    return response.blob();
  },
});

const path = (image_id: string, size?: number): string =>
  `/media/${encodeURIComponent(image_id)}${size === undefined ? "" : `/thumbnails/${size}`}`;

interface Signed {
  Authorization: string;
}

const byFetch = async (caller: Caller, headers: Signed, body: FormData, { signal }: UploadOptions): Promise<Image> =>
  (await caller.http.json("POST", "/media", { body, headers: { ...headers }, signal, withinMs: 0 })) as Image;

/** fetch cannot tell how much of a body has gone. */
function byXhr(caller: Caller, headers: Signed, body: FormData, { signal, onProgress }: UploadOptions): Promise<Image> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => {
      request.abort();
      reject(signal?.reason);
    };
    request.open("POST", caller.http.address("/media"));
    request.setRequestHeader("Authorization", headers.Authorization);
    request.withCredentials = caller.http.cookies;
    request.upload.onprogress = event => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onerror = () => reject(new ParleyError("unreachable", "The upload broke off."));
    request.onload = () => {
      const { status, responseText } = request;
      try {
        if (status >= 400) throw problem(status, responseText);
        resolve(parsed(status, responseText) as Image);
      } catch (error) {
        reject(error);
      }
    };
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    request.send(body);
  });
}
