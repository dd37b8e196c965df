// A browser without a window that looks at the page, and notes what it should not do: load from elsewhere, fail, or be hard to use.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

// `known` are further addresses that the page may speak with; `act` does something and notes what it sees.
export async function visit({ root, folder, executablePath, known = [] }, act) {
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  const browser = await puppeteer.launch({ executablePath, args });
  const seen = { foreign: [], errors: [], violations: [] };
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    await page.setViewport({ width: 1000, height: 1400 });
    await page.setRequestInterception(true);
    page.on("request", (request) => {
      const url = request.url();
      if ([root, "blob:", "data:", ...known].some((start) => url.startsWith(start))) return request.continue();
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
    // `confirm` does with the code what a person does at the issuer.
    const login = async (confirm) => {
      await page.click("#login");
      await page.waitForFunction(() => document.getElementById("who").textContent.includes("enter"));
      await confirm((await text("who")).split(" ").pop());
      await page.waitForSelector("#work:not([hidden])");
      await page.waitForFunction(() => document.getElementById("verdict").textContent.startsWith("Sound"));
    };
    const write = async (program) => {
      await page.$eval("#program", (area) => { area.value = ""; });
      await page.type("#program", program);
    };
    await act({ page, seen, text, shot, look, login, write });
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}

// At the issuer of trials, which is the service itself.
export const trial = (root, user) => async (code) => {
  const confirmed = await fetch(`${root}/dev/device`, { method: "POST", body: new URLSearchParams({ user_code: code, user }) });
  if (!confirmed.ok) throw new Error(`the code ${code} is not taken`);
};
