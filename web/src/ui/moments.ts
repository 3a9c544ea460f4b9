/** Moments to come, in the words of the reader's language and clock. */
import type { Language } from "./language.tsx";

const DAY_MS = 86_400_000;

/**
 * A moment as short as it is clear: the time today, weekday and time within a week, else the date;
 * nothing for an absent or unreadable one.
 */
export function momentWords(
  at: string | null | undefined,
  language: Language,
  now: number = Date.now(),
): string | undefined {
  const moment = new Date(at ?? Number.NaN);
  if (Number.isNaN(moment.getTime())) return undefined;
  const time = { hour: "numeric", minute: "2-digit" } as const;
  if (moment.toDateString() === new Date(now).toDateString()) {
    return moment.toLocaleTimeString(language, time);
  }
  if (moment.getTime() - now < 6 * DAY_MS) {
    return moment.toLocaleString(language, { weekday: "long", ...time });
  }
  return moment.toLocaleDateString(language, { day: "numeric", month: "long" });
}

/** It was to open, and that moment has come. */
export function isPast(at: string | null, now: number = Date.now()): boolean {
  return at !== null && Date.parse(at) <= now;
}
