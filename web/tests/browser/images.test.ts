/** Images: how they come into a message, what becomes of them on the way, and how they are looked at. */

import type { Route } from "playwright-core";
import { expect, test } from "vitest";
import { landscape, person, png, room, useBrowser, type Visitor, visitAs } from "./harness/index.ts";
import { FILE_NAMES } from "./hostile.ts";

useBrowser();

const article = ({ page }: Visitor, text: string) => page.getByRole("article").filter({ hasText: text });
const field = ({ page }: Visitor, where = "Kitchen") => page.getByRole("combobox", { name: `Message to ${where}` });
const chosen = ({ page }: Visitor) => page.getByRole("list", { name: "Images of this message" }).getByRole("listitem");
const picker = ({ page }: Visitor) => page.locator('input[type="file"]').first();
const send = ({ page }: Visitor) => page.getByRole("button", { name: "Send", exact: true });
const file = (name: string, buffer: Uint8Array = landscape(64, 36), mimeType = "image/png") => ({
  name,
  mimeType,
  buffer: Buffer.from(buffer),
});

/** Of noise: nothing makes it smaller on its way. */
const large = () => png(400, 400, () => [Math.random() * 255, Math.random() * 255, Math.random() * 255]);

/** Files as one drags or copies them. */
const carried = ({ page }: Visitor, ...files: { name: string; type: string; bytes: Uint8Array }[]) =>
  page.evaluateHandle(
    given => {
      const data = new DataTransfer();
      for (const { name, type, bytes } of given) data.items.add(new File([new Uint8Array(bytes)], name, { type }));
      return data;
    },
    files.map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] })),
  );

/** Holds calls back; the function lets them go. */
async function held({ page }: Visitor, which: RegExp, method: string): Promise<() => Promise<void>> {
  const waiting: Route[] = [];
  let isOpen = false;
  await page.route(which, async route => {
    if (isOpen || route.request().method() !== method) await route.fallback();
    else waiting.push(route);
  });
  return async () => {
    isOpen = true;
    for (const route of waiting.splice(0)) await route.continue().catch(() => undefined);
  };
}

const UPLOADS = /\/api\/v1\/media$/;
const IMAGES = /\/api\/v1\/media\/./;

test("images are pasted and dropped, wait in their room, and are sent without a word", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  await room(anna, [], { name: "Garden" });
  const [a, b] = [await visitAs(anna, `/rooms/${id}`), await visitAs(ben, `/rooms/${id}`)];
  const bytes = landscape(64, 36);
  await field(a).waitFor();
  const pasted = await carried(a, { name: "image.png", type: "image/png", bytes });
  await field(a).evaluate(
    (node, clipboardData) =>
      node.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })),
    pasted,
  );
  await a.page.getByRole("img", { name: "image.png" }).waitFor();

  const middle = a.page.getByRole("region", { name: "Kitchen", exact: true });
  const notes = await carried(a, { name: "notes.pdf", type: "application/pdf", bytes });
  await middle.dispatchEvent("drop", { dataTransfer: notes });
  await a.page.getByText("Only JPEG, PNG, GIF and WebP images can be sent.").waitFor();
  expect(await chosen(a).count()).toBe(1);
  const dropped = await carried(a, { name: "noon.png", type: "image/png", bytes: landscape(128, 72) });
  await middle.dispatchEvent("dragenter", { dataTransfer: dropped });
  await a.page.getByText("Let go to add these images").waitFor();
  await middle.dispatchEvent("drop", { dataTransfer: dropped });
  await a.page.getByRole("img", { name: "noon.png" }).waitFor();
  await a.keep("images-chosen");

  await a.page
    .getByRole("navigation", { name: "Rooms" })
    .getByRole("link", { name: /^Garden/ })
    .click();
  await field(a, "Garden").waitFor();
  expect(await chosen(a).count()).toBe(0);
  await a.page
    .getByRole("navigation", { name: "Rooms" })
    .getByRole("link", { name: /^Kitchen/ })
    .click();
  expect(await chosen(a).count()).toBe(2);
  await expect.poll(() => send(a).isEnabled()).toBe(true);
  await send(a).click();
  await chosen(a).first().waitFor({ state: "detached" });
  // What they are called is said of them, and is no text of its own.
  const view = b.page.getByRole("button", { name: "View image: image.png, noon.png" });
  await view.nth(1).waitFor();
  for (const { page } of [a, b]) expect(await page.getByRole("article").getByText("noon.png").count()).toBe(0);
  await b.accessible();
  await b.keep("images-without-a-word");
});

test("an upload shows how far it is, is stopped, fails and is tried again; nothing goes without it unasked", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  const a = await visitAs(anna, `/rooms/${id}`);
  await field(a).waitFor();
  // As slow as it has to be to be seen.
  const wire = await a.context.newCDPSession(a.page);
  const speed = (uploadThroughput: number) =>
    wire.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await speed(60_000);
  await picker(a).setInputFiles(file("large.png", large()));
  const bar = a.page.getByRole("progressbar", { name: "large.png is being uploaded" });
  await expect.poll(() => bar.evaluate(node => (node as HTMLProgressElement).value)).toBeGreaterThan(0);
  expect(await send(a).isDisabled()).toBe(true);
  await field(a).fill("Not yet");
  await field(a).press("Enter");
  await a.page.getByText("An image is still on its way.").waitFor();
  expect(await field(a).inputValue()).toBe("Not yet");
  await a.page.getByRole("button", { name: "Remove large.png" }).click();
  await chosen(a).first().waitFor({ state: "detached" });
  await speed(-1);

  const release = await held(a, UPLOADS, "POST");
  const gone = a.page.waitForEvent("requestfailed", request => UPLOADS.test(request.url()));
  await picker(a).setInputFiles(file("stopped.png"));
  await a.page.getByRole("progressbar", { name: "stopped.png is being uploaded" }).waitFor();
  await a.page.getByRole("button", { name: "Remove stopped.png" }).click();
  await gone;
  await chosen(a).first().waitFor({ state: "detached" });
  await release();

  let answers = 0;
  await a.page.route(UPLOADS, async route => {
    answers += 1;
    if (answers > 1) return route.fallback();
    await route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      body: '{"status":503,"code":"unavailable","detail":""}',
    });
  });
  await picker(a).setInputFiles([file("noon.png"), file("broken.png", Buffer.from("no image"))]);
  const again = a.page.getByRole("button", { name: "Upload noon.png again" });
  await again
    .or(a.page.getByRole("button", { name: "Upload broken.png again" }))
    .first()
    .waitFor();
  await expect.poll(() => a.page.getByRole("progressbar").count()).toBe(0);
  await field(a).press("Enter");
  await a.page.getByText("An image was not uploaded. Try it again or remove it, then send.").waitFor();
  expect(await field(a).inputValue()).toBe("Not yet");
  expect(await chosen(a).count()).toBe(2);
  await a.fits();
  await a.accessible();
  await a.keep("images-failed");
  await a.page
    .getByRole("button", { name: /^Upload .* again$/ })
    .first()
    .click();
  await expect.poll(() => a.page.getByRole("progressbar").count()).toBe(0);
  // What is no image stays none.
  expect(await a.page.getByRole("button", { name: "Upload broken.png again" }).count()).toBe(0);
  await a.page.getByRole("button", { name: "Remove broken.png" }).click();
  await field(a).press("Enter");
  await article(a, "Not yet").getByRole("button", { name: "View image: Not yet" }).waitFor();
  expect(
    await article(a, "Not yet")
      .getByRole("button", { name: /View image/ })
      .count(),
  ).toBe(1);
});

test("an image is foreshadowed until it is there, and one steps through a message's images by keys", async () => {
  const [anna, ben] = [await person("Anna"), await person("Ben")];
  const { id } = await room(anna, [ben]);
  const media: string[] = [];
  for (const width of [320, 340, 360]) {
    const made = new Blob([landscape(width, 180)], { type: "image/png" });
    media.push((await anna.client.api.media.upload(made, { name: "hills.png" })).id);
  }
  await anna.client.api.messages.send(id, { client_msg_id: "1", body: "Three hills", media_ids: media });
  const b = await visitAs(ben);
  const release = await held(b, IMAGES, "GET");
  await b.page
    .getByRole("navigation", { name: "Rooms" })
    .getByRole("link", { name: /^Kitchen/ })
    .click();
  const images = article(b, "Three hills").getByRole("listitem");
  await images.nth(2).waitFor();
  expect(await images.locator("canvas").count()).toBe(3);
  const isDrawn = () =>
    images
      .locator("canvas")
      .first()
      .evaluate(node => {
        // Read from a copy that is made for it: the browser warns of each canvas that is read again and again and is not.
        const copy = new OffscreenCanvas(32, 32).getContext("2d", { willReadFrequently: true });
        copy?.drawImage(node as HTMLCanvasElement, 0, 0);
        const pixels = copy?.getImageData(0, 0, 32, 32).data ?? [];
        return new Set(pixels).size > 2;
      });
  await expect.poll(isDrawn).toBe(true);
  await b.keep("images-foreshadowed");
  await release();
  await images.locator("canvas").first().waitFor({ state: "detached" });
  await expect.poll(() => images.locator("canvas").count()).toBe(0);

  await images.first().getByRole("button").focus();
  await b.page.keyboard.press("Enter");
  const viewer = b.page.getByRole("dialog");
  const shown = async () => media.indexOf((await viewer.locator("img").getAttribute("src"))?.split("/").at(-1) ?? "");
  await b.page.getByRole("dialog", { name: "Image 1 of 3" }).waitFor();
  for (const [key, index] of [
    ["ArrowLeft", 0],
    ["ArrowRight", 1],
    ["ArrowRight", 2],
    ["ArrowRight", 2],
    ["ArrowLeft", 1],
  ] as const) {
    await b.page.keyboard.press(key);
    await expect.poll(shown).toBe(index);
  }
  await b.page.getByRole("dialog", { name: "Image 2 of 3" }).waitFor();
  await b.accessible();
  await b.keep("images-viewer");
  await b.page.keyboard.press("Escape");
  await viewer.waitFor({ state: "detached" });
  await expect
    .poll(() =>
      images
        .first()
        .getByRole("button")
        .evaluate(node => node === document.activeElement),
    )
    .toBe(true);
});

test("what is dropped on a thread is of the thread", async () => {
  const anna = await person("Anna");
  const { id } = await room(anna);
  const root = await anna.client.api.messages.send(id, { client_msg_id: "1", body: "Pictures of it?" });
  const a = await visitAs(anna, `/rooms/${id}/threads/${root.id}`);
  const thread = a.page.getByRole("complementary", { name: "Thread" });
  const reply = thread.getByRole("combobox", { name: "Reply in this thread" });
  await reply.waitFor();
  const dropped = await carried(a, { name: "noon.png", type: "image/png", bytes: landscape(64, 36) });
  await thread.dispatchEvent("drop", { dataTransfer: dropped });
  await thread.getByRole("img", { name: "noon.png" }).waitFor();
  expect(await chosen(a).count()).toBe(1);
  await expect.poll(() => thread.getByRole("button", { name: "Send", exact: true }).isEnabled()).toBe(true);
  await reply.press("Enter");
  await thread.getByRole("button", { name: "View image: noon.png" }).waitFor();
});

test("a file's name is nothing but a name where it is chosen, too", async () => {
  const anna = await person("Anna");
  const { id } = await room(anna);
  const a = await visitAs(anna, `/rooms/${id}`, { viewport: { width: 320, height: 640 } });
  const hits: string[] = [];
  await a.context.exposeFunction("__hit", () => hits.push("hit"));
  await field(a).waitFor();
  await picker(a).setInputFiles([
    ...FILE_NAMES.map(name => file(name)),
    file("<img src=x onerror=__hit()>.png", Buffer.from("no image")),
  ]);
  await expect.poll(() => chosen(a).count()).toBe(FILE_NAMES.length + 1);
  for (const name of FILE_NAMES)
    await a.page
      .getByRole("button", { name: `Remove ${name}`, exact: true })
      .first()
      .waitFor();
  await expect.poll(() => a.page.getByRole("progressbar").count()).toBe(0);
  await a.fits();
  await a.accessible();
  await a.keep("images-hostile");
  await a.page
    .locator("li.failed")
    .getByRole("button", { name: /^Remove/ })
    .click();
  await send(a).click();
  await a.page
    .getByRole("button", { name: /^View image: <img src=x/ })
    .first()
    .waitFor();
  expect(await a.page.locator("img[src='x'], [onerror], [onload]").count()).toBe(0);
  await a.fits();
  expect(hits).toEqual([]);
});
