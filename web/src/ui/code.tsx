/** A block of text to copy: a command, an address, a piece of JSON. */
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { useTexts } from "./language.tsx";

/** How long the button says that it has copied. */
const COPIED_MS = 1500;

const TEXTS = {
  en: { copy: "Copy", copied: "Copied" },
  id: { copy: "Salin", copied: "Tersalin" },
};

/** `label` tells assistive technology what is in the block. */
export function CodeBlock({ text, label }: { text: string; label: string }) {
  return (
    <div class="code">
      <pre tabIndex={0} role="group" aria-label={label}>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const texts = useTexts(TEXTS);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      class="button small copy"
      aria-label={`${copied ? texts.copied : texts.copy}: ${label}`}
      title={copied ? texts.copied : texts.copy}
      onClick={() => void copyText(text).then(setCopied)}
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // plain http on another host has no clipboard interface
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
