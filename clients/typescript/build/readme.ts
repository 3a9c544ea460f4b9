/**
 * The examples of README.md as files that can be bundled and run, so that none of them goes stale.
 * It knows the fences of Markdown and nothing of what an example does.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Example {
  /** The heading above it, and its place below that: `React 1`. */
  name: string;
  language: string;
  code: string;
}

/** Every fenced block, in order. */
export function examplesOf(markdown: string): Example[] {
  const examples: Example[] = [];
  let heading = "";
  let place = 0;
  for (const part of markdown.matchAll(/^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, title, language, code] = part;
    if (title !== undefined) [heading, place] = [title, 0];
    else examples.push({ name: `${heading} ${(place += 1)}`, language: language!, code: code! });
  }
  return examples;
}

/** Writes the scripts among them into `dir`; gives the bundler's input, name by name. */
export function writeExamples(dir: string): Record<string, string> {
  mkdirSync(dir, { recursive: true });
  const scripts = examplesOf(readFileSync("README.md", "utf8")).filter(
    ({ language }) => language !== "html",
  );
  return Object.fromEntries(
    scripts.map(({ name, language, code }, place) => {
      const file = join(dir, `${place}.${language}`);
      writeFileSync(file, code);
      return [`readme/${name}`, file];
    }),
  );
}
