// Does with the page what a researcher does, and writes what was seen as JSON. Arguments: the service's address, a folder for
// pictures, the browser's program.
import { trial, visit } from "./visit.mjs";

const [root, folder, executablePath] = process.argv.slice(2);
await visit({ root, folder, executablePath }, async ({ page, seen, text, shot, look, login, write }) => {
  seen.policy = (await page.goto(root)).headers()["content-security-policy"];
  await look();
  await login(trial(root, "ada"));
  seen.schema = await text("schema");
  seen.recipient = await text("recipient");

  await write("use clinic\nquery wrong \"é\"\n  from clinic\n  where smokr\n  report\n    n = count()\n");
  await page.waitForSelector("#diagnostics button");
  seen.diagnostic = await text("diagnostics");
  await page.click("#diagnostics button");
  seen.selected = await page.$eval("#program", (area) => area.value.slice(area.selectionStart, area.selectionEnd));
  seen.sendable = !(await page.$eval("#send", (button) => button.disabled));
  await look();
  await shot("diagnostics");

  await write("use clinic\nquery smokers \"a test\"\n  from clinic\n  where smoker\n  by sex\n  report\n    n = count()\n");
  await page.waitForFunction(() => document.getElementById("verdict").textContent.startsWith("Sound: smokers"));
  seen.verdict = await text("verdict");
  await page.click("#explain");
  await page.waitForSelector("#explained-box:not([hidden])");
  seen.explained = await text("explained");
  await page.type("#purpose", "a trial");
  // By the keyboard alone.
  await page.keyboard.press("Enter");
  await page.waitForSelector("#result:not([hidden])");
  seen.table = await text("table");
  await page.waitForFunction(() => document.getElementById("picture").naturalWidth > 0);
  seen.alt = await page.$eval("#picture", (picture) => picture.alt);
  seen.focus = await page.evaluate(() => document.activeElement.id);
  seen.trouble = await text("trouble");
  await look();
  await page.$eval("#explained-box", (box) => { box.open = false; });
  await shot("result");
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await page.setViewport({ width: 400, height: 900 });
  await look();
  await shot("narrow");

  await page.setViewport({ width: 1000, height: 1400 });
  await page.goto(`${root}/page/api.html`);
  await page.waitForSelector(".route");
  seen.routes = await page.$$eval("#routes .route", (routes) => routes.length);
  await look();
  await page.screenshot({ path: `${folder}/api.png` });
});
