/** What stands before gateways in earnest: one address, and connections that go to whichever gateway is there. */

import { connect, createServer, type Server, type Socket } from "node:net";

export class Entrance {
  readonly #targets: number[];
  readonly #open = new Set<Socket>();
  readonly #server: Server;
  shut = false;
  opened = 0;
  url = "";

  constructor(urls: string[]) {
    this.#targets = urls.map(url => Number(new URL(url).port));
    this.#server = createServer(inward => this.#accept(inward));
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
    return this;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise(resolve => this.#server.close(resolve));
  }

  /** Everything that is open ends in the middle. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  #accept(inward: Socket): void {
    this.#keep(inward);
    if (this.shut) inward.resetAndDestroy();
    else this.#relay(inward, 0);
  }

  #relay(inward: Socket, choice: number): void {
    const port = this.#targets[choice];
    if (port === undefined) return void inward.resetAndDestroy();
    const outward = connect(port, "127.0.0.1");
    outward.once("error", () => this.#relay(inward, choice + 1));
    outward.once("connect", () => {
      this.opened += 1;
      outward.removeAllListeners("error");
      this.#keep(outward);
      for (const [one, other] of [
        [inward, outward],
        [outward, inward],
      ] as const) {
        one.pipe(other);
        one.once("close", () => other.destroy());
      }
    });
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
  }
}
