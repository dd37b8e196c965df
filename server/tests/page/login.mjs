// The page's login at an issuer of another origin. Writes what was seen as JSON. Arguments: the service's address, a folder for
// pictures, the browser's program, the issuer's address, and that of its token endpoint's origin.
import { visit } from "./visit.mjs";

const [root, folder, executablePath, issuer, ...others] = process.argv.slice(2);
await visit({ root, folder, executablePath, known: [issuer, ...others] }, async ({ page, seen, text, shot, look, login }) => {
  seen.policy = (await page.goto(root)).headers()["content-security-policy"];
  await login(async (code) => {
    seen.link = await page.$eval("#who a", (link) => link.href);
    const approved = await fetch(`${issuer}/approve?user=ada&code=${code}`);
    if (!approved.ok) throw new Error(`the code ${code} is not taken`);
  });
  seen.who = await text("who");
  seen.schema = await text("schema");
  seen.trouble = await text("trouble");
  await look();
  await shot("login");
});
