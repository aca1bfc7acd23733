/** A form that is sent once at a time, and shows what the server says of its fields beside them. */

import { ParleyError } from "@parley/client";
import { errorText } from "./i18n.svelte.ts";

export class Form {
  busy = $state(false);
  /** About the form as a whole. */
  failure = $state("");
  /** By field, in the server's words. */
  errors = $state.raw<Record<string, string>>({});
  /** The stable code of what went wrong last. */
  code = $state("");

  /** Whether it succeeded. What is thrown is shown, and nothing of the form is lost. */
  async send(work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.clear();
    try {
      await work();
      return true;
    } catch (error) {
      this.errors = error instanceof ParleyError ? error.errors : {};
      this.code = error instanceof ParleyError ? error.code : "";
      this.failure = errorText(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  clear(): void {
    this.failure = "";
    this.errors = {};
    this.code = "";
  }
}
