// Does with the page what a researcher does, and writes what was seen as JSON. Arguments: the service's address, a folder for
// pictures, the browser's program.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [root, folder, executablePath] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
const browser = await puppeteer.launch({ executablePath, args });
const seen = { foreign: [], errors: [], violations: [] };
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  await page.setViewport({ width: 1000, height: 1400 });
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const url = request.url();
    if (url.startsWith(root) || url.startsWith("blob:") || url.startsWith("data:")) return request.continue();
    seen.foreign.push(url);
    request.abort();
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  // An answer that is no success is written there by the browser itself: those are told apart by what the page shows.
  page.on("console", (line) => {
    if (line.type() === "error" && !line.text().startsWith("Failed to load resource")) seen.errors.push(line.text());
  });
  const text = (id) => page.$eval(`#${id}`, (element) => element.textContent);
  const shot = (name) => page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const look = async () => {
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`));
    seen.violations.push(...found);
  };

  seen.policy = (await page.goto(root)).headers()["content-security-policy"];
  await look();
  await page.click("#login");
  await page.waitForFunction(() => document.getElementById("who").textContent.includes("enter"));
  const code = (await text("who")).split(" ").pop();
  const confirmed = await fetch(`${root}/dev/device`, { method: "POST", body: new URLSearchParams({ user_code: code, user: "ada" }) });
  if (!confirmed.ok) throw new Error(`the code ${code} is not taken`);
  await page.waitForSelector("#work:not([hidden])");
  await page.waitForFunction(() => document.getElementById("verdict").textContent.startsWith("Sound"));
  seen.schema = await text("schema");
  seen.recipient = await text("recipient");

  const write = async (program) => {
    await page.$eval("#program", (area) => { area.value = ""; });
    await page.type("#program", program);
  };
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
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
