/** What the start page knows of the server: asked once what it is, and again and again how it is. */
import { useEffect, useState } from "preact/hooks";
import type { About, Health, PartHealth } from "@switchboard/client/rest";
import { api } from "../ui/api.ts";

/** How often a visible page asks for the health. */
const HEALTH_INTERVAL_MS = 5000;

/** `undefined`: not answered yet; `null`: no usable answer. */
export type Answer<T> = T | null | undefined;

export function useAbout(): Answer<About> {
  const [about, setAbout] = useState<Answer<About>>(undefined);
  useEffect(() => {
    api.about().then(setAbout, () => setAbout(null));
  }, []);
  return about;
}

export function useHealth(): Answer<Health> {
  const [health, setHealth] = useState<Answer<Health>>(undefined);
  useEffect(() => {
    const ask = () => {
      if (!document.hidden) api.health().then(setHealth, () => setHealth(null));
    };
    ask();
    const timer = setInterval(ask, HEALTH_INTERVAL_MS);
    document.addEventListener("visibilitychange", ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, []);
  return health;
}

export type Tone = "good" | "warn" | "bad" | "neutral";

const GOOD = new Set(["ok", "up", "healthy", "running", "connected", "ready", "on", "active"]);
const OFF = new Set(["off", "disabled", "none", "unused", "not configured", "not_configured"]);

/** The word and the colour of a part's health; `off` as a word means that it is not used. */
export function readPart(part: PartHealth | undefined): { word: string | null; tone: Tone } {
  const word = typeof part === "string" ? part : part?.status;
  if (part === null || (word !== undefined && OFF.has(word)))
    return { word: "off", tone: "neutral" };
  if (word === undefined) return { word: null, tone: "neutral" };
  return { word, tone: GOOD.has(word) ? "good" : "bad" };
}

/** `93784` becomes `1 d 2 h`: the two largest units, in the words of the language. */
export function formatUptime(seconds: number, language: string): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "day"],
    [Math.floor(seconds / 3600) % 24, "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [Math.floor(seconds) % 60, "second"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown
    .map(([count, unit]) =>
      new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count),
    )
    .join(" ");
}
