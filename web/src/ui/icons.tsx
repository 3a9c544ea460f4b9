/** The logo and the line icons. An icon is one entry in `PATHS`, drawn on a 24 by 24 grid. */

const PATHS = {
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  book: "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11",
  braces:
    "M9 4c-3 0-3 2-3 4s0 4-2 4c2 0 2 2 2 4s0 4 3 4M15 4c3 0 3 2 3 4s0 4 2 4c-2 0-2 2-2 4s0 4-3 4",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  chart: "M5 20V10M12 20V4M19 20v-7",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7",
  checks: "M2 12.5l4.5 4.5L16 7M11 16l1 1L22 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.01",
  send: "M4 12l16-8-6 16-3-6z",
  unplug: "M9 3v3M15 3v5M10 8h8v3a6 6 0 0 1-.6 2.6M6 8v3a6 6 0 0 0 8 5.6M12 17v4M3 3l18 18",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  frames: "M4 5h16M4 12h10M4 19h13",
  plus: "M12 5v14M5 12h14",
  down: "M12 5v14M6 13l6 6 6-6",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
  play: "M8 5l11 7-11 7z",
  arrow: "M5 12h14M13 6l6 6-6 6",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20c.8-4 4-6 8-6s7.2 2 8 6",
  robot:
    "M12 4v4M7 8h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2zM9.5 12.5v1M14.5 12.5v1",
  close: "M6 6l12 12M18 6L6 18",
} as const;

export type IconName = keyof typeof PATHS;

/** A decorative icon; the text beside it, or the label of its button, carries the meaning. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Four jacks and one cord. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b6b53" />
      <g fill="none" stroke="#fff" stroke-opacity=".55" stroke-width="2">
        <circle cx="9" cy="9" r="2.6" />
        <circle cx="23" cy="9" r="2.6" />
        <circle cx="9" cy="23" r="2.6" />
        <circle cx="23" cy="23" r="2.6" />
      </g>
      <path
        d="M9 9c1 11 13 3 14 14"
        fill="none"
        stroke="#ffb37c"
        stroke-width="3"
        stroke-linecap="round"
      />
      <circle cx="9" cy="9" r="2.4" fill="#ffb37c" />
      <circle cx="23" cy="23" r="2.4" fill="#ffb37c" />
    </svg>
  );
}
