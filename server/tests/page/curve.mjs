// Survival curves on the page: a program is written, submitted and shown by the keyboard alone. Writes what was seen as JSON.
// Arguments: the service's address, a folder for pictures, the browser's program, the file of the program.
import { readFileSync } from "node:fs";
import { trial, visit } from "./visit.mjs";

const [root, folder, executablePath, file] = process.argv.slice(2);
await visit({ root, folder, executablePath }, async ({ page, seen, text, shot, look, login }) => {
  await page.goto(root);
  await login(trial(root, "ada"));
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  // Steps with the tabulator until something has the focus; how many.
  const reach = async (wanted) => {
    for (let steps = 0; steps < 40; steps += 1) {
      if ((await focused()) === wanted) return steps;
      await page.keyboard.press("Tab");
    }
    throw new Error(`${wanted} is not reached by the keyboard`);
  };
  await reach("program");
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.up("Control");
  await page.keyboard.sendCharacter(readFileSync(file, "utf8"));
  await page.waitForFunction(() => document.getElementById("verdict").textContent.startsWith("Sound: survival_by_arm"));
  seen.verdict = await text("verdict");
  await reach("purpose");
  await page.keyboard.type("survival by arm");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#result:not([hidden])");
  await page.waitForFunction(() => document.getElementById("picture").naturalWidth > 0);
  seen.focus = await focused();
  seen.table = await text("table");
  seen.alt = await page.$eval("#picture", (picture) => picture.alt);
  seen.size = await page.$eval("#picture", ({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]);
  seen.trouble = await text("trouble");
  await look();
  await shot("curves");

  // Again from the list of jobs, on a narrow dark screen.
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await page.setViewport({ width: 400, height: 900 });
  await page.reload();
  await page.waitForSelector("#jobs button");
  await reach("Show");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#result:not([hidden])");
  await page.waitForFunction(() => document.getElementById("picture").naturalWidth > 0);
  seen.again = [await focused(), await text("table")];
  // No wider than the screen: nobody scrolls sideways for the curve.
  seen.wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await look();
  await shot("curves-narrow");
});
