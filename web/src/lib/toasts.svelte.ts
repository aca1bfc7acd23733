/** Short notices at the edge of the page; a live region reads them out. */

export interface Toast {
  id: number;
  kind: "info" | "good" | "error";
  text: string;
  action?: { label: string; run: () => void };
}

const SHOWN_MS = 6_000;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #lastId = 0;

  show(kind: Toast["kind"], text: string, action?: Toast["action"]): void {
    this.#lastId += 1;
    const toast: Toast = { id: this.#lastId, kind, text, ...(action === undefined ? {} : { action }) };
    this.list = [...this.list.filter(other => other.text !== text).slice(-3), toast];
    // An error, or what one may want to undo, stays until it is put away: nobody shall have to hurry.
    if (kind !== "error" && action === undefined) setTimeout(() => this.hide(toast.id), SHOWN_MS);
  }

  hide(id: number): void {
    this.list = this.list.filter(toast => toast.id !== id);
  }
}

export const toasts = new Toasts();
