// Opens reports in Chromium and prints what is wrong with them, a line for each place. `.ci/chromium` calls it:
//
//     node chromium.mjs CHROMIUM FOLDER [PICTURES]
//
// CHROMIUM is the program. Reports are FOLDER/NAME.html. It writes NAME-light.png, NAME-dark.png, NAME-a4.pdf and
// NAME-letter.pdf into the same folder, for chromium_output.py, and pictures for people into the folder PICTURES.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findLayoutFaults } from "./chromium_layout.mjs";

const [executablePath, folder, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wcag = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
/** Sizes in CSS pixels, 96 for an inch. */
const papers = [
  { name: "a4", title: "A4", width: (210 / 25.4) * 96, height: (297 / 25.4) * 96 },
  { name: "letter", title: "Letter", width: 8.5 * 96, height: 11 * 96 },
];
/** Places of one kind of fault that are listed. */
const listed = 5;

/** Groups items by a key, in their order. Map.groupBy needs Node.js 21. */
function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

/** Returns a line for each selector of each kind of fault, at most `listed` of a kind. */
function describe(faults) {
  return groupBy(faults, (fault) => fault.kind).flatMap((kind) => {
    const places = groupBy(kind, (fault) => fault.selector);
    const lines = places.slice(0, listed).map(([first, ...others]) => {
      const more = others.length > 0 ? ` (and ${others.length} more)` : "";
      return `${first.kind}: ${first.selector}: ${first.text}${more}`;
    });
    if (places.length > listed) lines.push(`${kind[0].kind}: and ${places.length - listed} more selectors`);
    return lines;
  });
}

/** Loads a page. Returns with it what a report must not do: load something, run a script, log a message. */
async function load(context, address) {
  const page = await context.newPage();
  const faults = new Set();
  page.on("request", (request) => {
    if (request.url() !== address) faults.add(`loads ${request.url()} (${request.resourceType()})`);
  });
  page.on("console", (message) => faults.add(`logs: ${message.text()}`));
  page.on("pageerror", (error) => faults.add(`a script failed: ${error.message}`));
  const session = await context.newCDPSession(page);
  session.on("Debugger.scriptParsed", ({ url, startLine }) => {
    // The scripts of this check have no address.
    if (/^(file|https?|data|blob):/.test(url)) faults.add(`runs a script in line ${startLine + 1} of ${url}`);
  });
  await session.send("Debugger.enable");
  await page.goto(address, { waitUntil: "load" });
  await page.waitForTimeout(100); // for what starts after loading
  await session.send("Debugger.disable");
  return { page, session, faults: [...faults] };
}

/** Returns violations of WCAG 2.2, levels A and AA. */
async function findViolations(page) {
  const violations = await page.evaluate(async (tags) => {
    const options = { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"], preload: false };
    return (await globalThis.axe.run(document, options)).violations;
  }, wcag);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => {
      const [, ...reasons] = failureSummary.split("\n"); // after "Fix any of the following:"
      return { kind: id, selector: target.flat().join(" "), text: reasons.map((each) => each.trim()).join("; ") };
    }),
  );
}

/** Returns the paper that the @page rules ask for, if any, and the sum of the margins left and right in pixels. */
function pageRule(page) {
  return page.evaluate(() => {
    const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
    const printed = rules.filter((rule) => rule instanceof CSSMediaRule && rule.media.mediaText === "print");
    const styles = [...rules, ...printed.flatMap((rule) => [...rule.cssRules])]
      .filter((rule) => rule instanceof CSSPageRule && rule.selectorText === "")
      .map((rule) => rule.style);
    const last = (name) => styles.findLast((style) => style[name])?.[name];
    const pixels = (name) => CSSNumericValue.parse(last(name) ?? "28pt").to("px").value; // 28pt is Chromium's own
    return { size: last("size"), margins: pixels("marginLeft") + pixels("marginRight") };
  });
}

/**
 * Prints a page to a PDF as a person's browser does. Returns the faults of its layout on that paper.
 *
 * Media queries see the paper without Chromium's own margins; the text area is the paper without those of @page.
 */
async function printOn(paper, page, session, name) {
  const { size, margins } = await pageRule(page);
  const options = { paperWidth: paper.width / 96, paperHeight: paper.height / 96, preferCSSPageSize: false };
  const { data } = await session.send("Page.printToPDF", options);
  writeFileSync(join(folder, `${name}-${paper.name}.pdf`), data, "base64");

  const width = Math.floor(paper.width - margins);
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: Math.floor(paper.width - (2 * 28 * 96) / 72), height: 1000 });
  await page.evaluate((width) => (document.documentElement.style.width = `${width}px`), width);
  const faults = await page.evaluate(findLayoutFaults, { printed: true, width });
  await page.evaluate(() => (document.documentElement.style.width = ""));
  await page.emulateMedia({ media: null });
  if (size) faults.push({ kind: "paper", selector: "@page", text: `asks for ${size}, so that other paper is scaled` });
  return faults;
}

/** Writes pictures of a page for people, in parts: the browser cannot make one of any height. */
async function takePictures(page, name) {
  for (const width of [1280, 400, 320]) {
    await page.setViewportSize({ width, height: 800 });
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    for (let y = 0, part = 1; y < height; y += 4000, part += 1) {
      const clip = { x: 0, y, width, height: Math.min(4000, height - y) };
      const path = join(pictures, `${name}-${width}-${String(part).padStart(2, "0")}.png`);
      await page.screenshot({ path, fullPage: true, clip });
    }
  }
}

/** Checks a report in one colour scheme. Returns [[where, line]]. The layout is the same in both, so light has it. */
async function checkScheme(browser, name, scheme) {
  const found = [];
  const add = (where, lines) => found.push(...lines.map((line) => [where, line]));
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width: 1200, height: 3900 } });
  const { page, session, faults } = await load(context, pathToFileURL(join(folder, `${name}.html`)).href);
  add("", faults);
  await page.screenshot({ path: join(folder, `${name}-${scheme}.png`) });
  if (pictures) await takePictures(page, `${name}-${scheme}`);
  for (const paper of scheme === "light" ? papers : []) {
    add(`, printed on ${paper.title}`, describe(await printOn(paper, page, session, name)));
  }
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  await page.evaluate(axe);
  for (const width of [1280, 400, 320]) {
    await page.setViewportSize({ width, height: 800 });
    if (scheme === "light") add(`, ${width} px`, describe(await page.evaluate(findLayoutFaults, { printed: false })));
    if (width !== 400) add(`, ${width} px, ${scheme}`, describe(await findViolations(page)));
  }
  await context.close();
  return found;
}

/** Checks a report. A line that both colour schemes have is printed once. */
async function check(browser, name) {
  const [light, dark] = await Promise.all(["light", "dark"].map((scheme) => checkScheme(browser, name, scheme)));
  const inLight = (where) => where.replace(/dark$/, "light");
  const has = (lines, where, text) => lines.some(([otherWhere, other]) => otherWhere === where && other === text);
  for (const [where, text] of light) {
    const both = has(dark, where.replace(/light$/, "dark"), text);
    console.log(`${name}.html${both ? where.replace(/light$/, "light and dark") : where}: ${text}`);
  }
  for (const [where, text] of dark) {
    if (!has(light, inLight(where), text)) console.log(`${name}.html${where}: ${text}`);
  }
}

const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: false,
  // Every host name is unknown, so that a page reaches nothing even where this check does not see that it tries.
  args: ["--host-resolver-rules=MAP * ~NOTFOUND"],
});
for (const file of readdirSync(folder).filter((each) => each.endsWith(".html")).sort()) {
  await check(browser, file.replace(/\.html$/, ""));
}
await browser.close();
