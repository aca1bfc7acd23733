/** A part of the page that comes after the rest: at once when somebody wants it, otherwise when the page stands. */

export class Later<Part> {
  readonly #load: () => Promise<{ default: Part }>;
  #found: Part | null = null;

  constructor(load: () => Promise<{ default: Part }>) {
    this.#load = load;
  }

  /** If it is there already. */
  get found(): Part | null {
    return this.#found;
  }

  async get(): Promise<Part> {
    this.#found ??= (await this.#load()).default;
    return this.#found;
  }
}
