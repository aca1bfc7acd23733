/** Which message the pointer or the keyboard is on: what can be done to it is shown there. */

import { tick } from "svelte";

export class ActiveMessage {
  id = $state<string | null>(null);
  /** The one that has had the focus last, and gets it again when one comes back by Tab. */
  focused = $state<string | null>(null);

  entered = (event: FocusEvent): void => {
    const id = messageOf(event.target);
    if (id !== null) this.id = this.focused = id;
  };

  pointed = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (event.pointerType !== "touch" && !holds(event.currentTarget)) this.id = messageOf(event.target) ?? this.id;
  };

  left = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (event.pointerType !== "touch" && !holds(event.currentTarget)) this.id = null;
  };

  /** A finger has no other way to point. */
  tapped = (event: MouseEvent): void => {
    if (event.detail > 0 && matchMedia("(pointer: coarse)").matches) this.id = messageOf(event.target);
  };

  async focus(id: string): Promise<void> {
    this.focused = this.id = id;
    await tick();
    document.getElementById(`message-${id}`)?.focus({ preventScroll: true });
  }
}

const messageOf = (node: EventTarget | null): string | null =>
  (node as HTMLElement | null)?.closest<HTMLElement>("[data-message]")?.dataset["message"] ?? null;

/** A toolbar whose menu is open shall stay, wherever the pointer goes. */
const holds = (feed: HTMLElement): boolean => feed.querySelector(".toolbar.held") !== null;
