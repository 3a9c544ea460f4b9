/** The frames of one pane as they went over the wire. */
import { useEffect, useRef } from "preact/hooks";
import type { FrameRecord } from "@switchboard/client/session";
import { useTexts } from "../ui/language.tsx";
import type { Side } from "./saved.ts";
import { TEXTS } from "./texts.ts";

interface RawFramesProps {
  side: Side;
  frames: readonly FrameRecord[];
  onClear: () => void;
}

export function RawFrames({ side, frames, onClear }: RawFramesProps) {
  const texts = useTexts(TEXTS);
  const list = useRef<HTMLDivElement>(null);
  const newest = frames.at(-1);
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [newest]);
  const title = texts.rawTitle(texts[side]);
  return (
    <div class="raw" data-testid="frames">
      <div class="raw-head">
        <h3>{title}</h3>
        <span class="muted">{texts.rawCount(frames.length)}</span>
        <button type="button" class="button small quiet" onClick={onClear}>
          {texts.rawClear}
        </button>
      </div>
      <div class="raw-list" ref={list} tabIndex={0} role="group" aria-label={title}>
        {frames.length === 0 && <p class="muted">{texts.rawEmpty}</p>}
        {frames.map((frame) => (
          <RawFrame key={frame} frame={frame} />
        ))}
      </div>
    </div>
  );
}

function RawFrame({ frame: { direction, at, text } }: { frame: FrameRecord }) {
  const texts = useTexts(TEXTS);
  return (
    <details class={`raw-frame ${direction}`} data-testid="frame" data-direction={direction}>
      <summary>
        <span class="raw-arrow" aria-hidden="true">
          {direction === "in" ? "↓" : "↑"}
        </span>
        <span class="visually-hidden">{direction === "in" ? texts.rawIn : texts.rawOut} </span>
        <time>{new Date(at).toISOString().slice(11, 23)}</time>
        <span class="raw-text">{text}</span>
      </summary>
      <pre>{pretty(text)}</pre>
    </details>
  );
}

/** A frame of JSON, or a packet of Socket.IO: digits, and JSON behind them. */
function pretty(text: string): string {
  const digits = /^\d*(?=[[{])/.exec(text)?.[0] ?? "";
  try {
    return `${digits}${digits && " "}${JSON.stringify(JSON.parse(text.slice(digits.length)), null, 2)}`;
  } catch {
    return text;
  }
}
