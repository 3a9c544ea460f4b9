/** Moments to come, in the words of the reader's language and clock. */
import type { Language } from "./language.tsx";

const DAY_MS = 86_400_000;

/**
 * A moment as short as it is clear: the time alone today, with the weekday within a week, else with
 * the date; nothing for an absent or unreadable one.
 */
export function momentWords(
  at: string | null | undefined,
  language: Language,
  now: number = Date.now(),
): string | undefined {
  const moment = new Date(at ?? Number.NaN);
  if (Number.isNaN(moment.getTime())) return undefined;
  const time = { hour: "2-digit", minute: "2-digit" } as const;
  if (moment.toDateString() === new Date(now).toDateString()) {
    return moment.toLocaleTimeString(language, time);
  }
  const isThisWeek = moment.getTime() - now < 6 * DAY_MS;
  const day = isThisWeek ? ({ weekday: "long" } as const) : DATE;
  return moment.toLocaleString(language, { ...day, ...time });
}

const DATE = { day: "numeric", month: "long" } as const;

/** It was to open, and that moment has come. */
export function isPast(at: string | null, now: number = Date.now()): boolean {
  return at !== null && Date.parse(at) <= now;
}
