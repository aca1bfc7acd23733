/** A part of the store that tells its readers when it has changed. */
export class Topic {
  readonly #listeners = new Set<() => void>();

  /** Call what is returned to hear no more. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  protected changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
