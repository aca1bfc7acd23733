/** What a list is narrowed down to; what is not filled in is left out. Throws ParleyError for what can be seen here to be wrong. */

import { type Client, ParleyError } from "@parley/client";
import { t } from "../../lib/i18n.svelte.ts";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export class Filters {
  readonly query: Record<string, string> = {};

  text(name: string, value: string): void {
    if (value.trim()) this.query[name] = value.trim();
  }

  id(name: string, value: string): void {
    if (value.trim() && !ID.test(value.trim()))
      throw new ParleyError("invalid", t("admin.not_an_id", { value: value.trim() }));
    this.text(name, value);
  }

  /** By id or by username. */
  async person(client: Client, name: string, value: string): Promise<void> {
    const wanted = value.trim().replace(/^@/, "").toLowerCase();
    if (wanted === "" || ID.test(wanted)) return this.text(name, wanted);
    const { items } = await client.api.admin.users({ query: wanted, limit: 20 });
    const found = items.find(user => user.username.toLowerCase() === wanted);
    if (found === undefined) throw new ParleyError("not_found_person", t("admin.no_such_person", { name: wanted }));
    this.query[name] = found.id;
  }

  /** As the field gives it: local time without a zone. */
  moment(name: string, value: string): void {
    const at = new Date(value);
    if (value && !Number.isNaN(at.getTime())) this.query[name] = at.toISOString();
  }
}
