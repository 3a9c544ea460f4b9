// @ts-check
/**
 * Writes `src/generated/events.ts`, the types of every event, which is in no commit: from the
 * reference that the server's own build writes, before every build, check and test.
 *
 * Plain JavaScript without packages, so that Node 20 runs it as it is, before anything is installed.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { typesOf } from "./types.mjs";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const REFERENCE = join(PACKAGE, "../../docs/reference/events.schema.json");
const TARGET = join(PACKAGE, "src/generated/events.ts");

const text = typesOf(JSON.parse(readFileSync(REFERENCE, "utf8")));
// What has not changed keeps its age, so that nothing is built anew because of it.
if (!existsSync(TARGET) || readFileSync(TARGET, "utf8") !== text) {
  mkdirSync(dirname(TARGET), { recursive: true });
  writeFileSync(TARGET, text);
}
