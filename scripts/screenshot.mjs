/**
 * Takes docs/chat.png from a demo that is running:
 *
 *   node scripts/screenshot.mjs http://127.0.0.1:8080
 *
 * Uses what `npm ci` in e2e/ installed. `CHROMIUM` names another browser.
 */
import { fileURLToPath } from "node:url";
import { launch, openConversation } from "../e2e/browser.mjs";

const origin = process.argv[2] ?? "http://127.0.0.1:8080";
const file = fileURLToPath(new URL("../docs/chat.png", import.meta.url));

const browser = await launch();
try {
  const context = await browser.newContext({
    viewport: { width: 1120, height: 930 },
    locale: "en-GB",
    colorScheme: "light",
  });
  const page = await context.newPage();
  const { customer, agent } = await openConversation(page, origin);
  const talk = [
    [customer, "Hello, my parcel was due yesterday."],
    [agent, "Good morning! May I have the order number?"],
    [customer, "A-1042"],
    [agent, "Thank you. It left the depot this morning and arrives today."],
    [customer, "Great, thanks!"],
  ];
  const said = [];
  for (const [side, text] of talk) {
    await side.send(text);
    said.push(text);
    await customer.shows(said);
    await agent.shows(said);
  }
  await customer.mark("Great, thanks!", "read");
  await agent.input.pressSequentially("You are");
  await page.screenshot({ path: file });
} finally {
  await browser.close();
}
