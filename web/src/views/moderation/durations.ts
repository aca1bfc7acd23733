/** Times that moderators choose among, in words. */

import { t } from "../../lib/i18n.svelte.ts";

/** By the largest unit that fits without a rest. */
export function duration(seconds: number): string {
  if (seconds % 86_400 === 0) return t("moderation.days", { count: seconds / 86_400 });
  if (seconds % 3_600 === 0) return t("moderation.hours", { count: seconds / 3_600 });
  return seconds % 60 === 0
    ? t("moderation.minutes", { count: seconds / 60 })
    : t("moderation.seconds", { count: seconds });
}

/** Of slow mode: also that there is none. */
export const pause = (seconds: number): string => (seconds === 0 ? t("moderation.slow_off") : duration(seconds));
