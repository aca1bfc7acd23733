/** Clients in the tabs of one browser, and the server that they connect to. */

import { Client, type ClientOptions, localLocks, MemoryOutbox, MemoryTokens } from "../../src/index.ts";
import { hello, ready, settle, World } from "../conformance/world.ts";
import { ME, tokens } from "./fakes.ts";

export const ROOM = "01890000-0000-7000-8000-00000000000a";

/** Each tab has a client and a connection of its own; locks and storage are shared. */
export class Browser {
  readonly storage = new MemoryOutbox();
  readonly locks = localLocks();
  readonly clients: Client[] = [];
  readonly worlds = new Map<Client, World>();
  readonly sent: string[] = [];

  tab(options: ClientOptions = {}): Client {
    const world = new World({});
    const client = new Client({
      url: "http://parley.example",
      tokens: new MemoryTokens(tokens(600)),
      fetch: world.fetch,
      WebSocket: world.WebSocket,
      locks: this.locks,
      outbox: this.storage,
      random: () => 0,
      ...options,
    });
    this.worlds.set(client, world);
    this.clients.push(client);
    return client;
  }

  async open(client: Client): Promise<void> {
    void client.connect();
    await settle();
    this.tell(client, hello());
    await settle();
    this.world(client).connection.heard.shift();
    this.tell(client, ready("e1", {}, []));
    this.tell(client, { type: "live" });
    await settle();
  }

  world(client: Client): World {
    return this.worlds.get(client) as World;
  }

  tell(client: Client, frame: object): void {
    this.world(client).connection.tell(JSON.stringify(frame));
  }

  /** What a tab has sent since last asked. */
  heard(client: Client): string[] {
    const found = this.world(client).connection.heard.splice(0);
    this.sent.push(...found.map(frame => String(frame["client_msg_id"])));
    return found.map(frame => String(frame["body"]));
  }

  /** Acknowledges whatever the tab sends, until it sends no more. */
  async acknowledge(client: Client): Promise<string[]> {
    const bodies: string[] = [];
    for (;;) {
      await settle();
      const [frame] = this.world(client).connection.heard.splice(0);
      if (frame === undefined) return bodies;
      bodies.push(String(frame["body"]));
      const seq = bodies.length;
      this.tell(client, {
        type: "ack",
        id: frame["id"],
        message_id: ME,
        seq,
        n: seq,
        created_at: "",
        duplicate: false,
      });
    }
  }

  /** As when a page is closed or reloaded: its socket and its locks are gone, and nobody says goodbye. */
  async vanish(client: Client): Promise<void> {
    client.close();
    await settle();
  }
}
