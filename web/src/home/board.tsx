/**
 * The picture of the start page: a panel of jacks, of which as many are lit as connections are
 * open, and cords that plug themselves in. Decoration only.
 */

const COLUMNS = 8;
const ROWS = 6;
const STEP = 48;
const MARGIN = 36;

/** Pairs of jacks (column, row) that a cord joins, and how far it hangs through. */
const CORDS = [
  { from: [0, 1], to: [3, 4], sag: 70, tone: "cord" },
  { from: [2, 0], to: [6, 3], sag: 95, tone: "accent" },
  { from: [5, 1], to: [7, 4], sag: 80, tone: "cord" },
] as const;

export function Board({ connections }: { connections: number }) {
  const width = (COLUMNS - 1) * STEP + 2 * MARGIN;
  const height = (ROWS - 1) * STEP + 2 * MARGIN;
  return (
    <svg class="board" viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <rect class="board-panel" width={width} height={height} rx="22" />
      {Array.from({ length: COLUMNS * ROWS }, (_, place) => (
        <Jack key={place} place={place} lit={order(place) < connections} />
      ))}
      {CORDS.map((cord) => (
        <Cord key={cord.from.join()} {...cord} />
      ))}
    </svg>
  );
}

function Jack({ place, lit }: { place: number; lit: boolean }) {
  const [x, y] = position([place % COLUMNS, Math.floor(place / COLUMNS)]);
  return (
    <g class={lit ? "jack lit" : "jack"}>
      <circle class="jack-ring" cx={x} cy={y} r="11" />
      <circle class="jack-hole" cx={x} cy={y} r="5" />
    </g>
  );
}

function Cord({ from, to, sag, tone }: (typeof CORDS)[number]) {
  const [x1, y1] = position(from);
  const [x2, y2] = position(to);
  const path = `M${x1} ${y1}C${x1} ${y1 + sag} ${x2} ${y2 - sag / 4} ${x2} ${y2}`;
  return (
    <g class={`board-cord ${tone}`}>
      <path d={path} pathLength="1" />
      <circle cx={x1} cy={y1} r="7" />
      <circle cx={x2} cy={y2} r="7" />
    </g>
  );
}

function position([column, row]: readonly [number, number]): [number, number] {
  return [MARGIN + column * STEP, MARGIN + row * STEP];
}

/** Spreads the lit jacks over the panel: a fixed shuffle of 0 to 47. */
function order(place: number): number {
  return (place * 29 + 11) % (COLUMNS * ROWS);
}
