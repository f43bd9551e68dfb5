// Finds the browser that the console is tested in, or brings it.

import { existsSync } from "node:fs";
import { canInstall, installPackages } from "./packages.mjs";
import { outputOf } from "./process.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/**
 * The path of a Chromium. HIL_CHROMIUM comes first, then the PATH; as root on Debian or Ubuntu a missing one is
 * installed. Throws an Error that says what to install: the tests are not run without it.
 */
export async function requireChromium() {
  const found = findChromium();
  if (found) return found;
  if (canInstall()) {
    await installPackages("the browser tests", "chromium");
    const installed = findChromium();
    if (installed) return installed;
  }
  throw new Error(
    "The browser tests need Chromium or Chrome and none was found: install it (Debian: apt-get install chromium), or set HIL_CHROMIUM to its path, and run npm test again",
  );
}

function findChromium() {
  const named = process.env.HIL_CHROMIUM;
  if (named) {
    if (existsSync(named)) return named;
    throw new Error(
      `HIL_CHROMIUM is ${named}, and there is no such file: set it to a Chromium or Chrome, or unset it`,
    );
  }
  if (existsSync(MAC)) return MAC;
  const finder = process.platform === "win32" ? "where" : "which";
  for (const name of NAMES) {
    const path = outputOf(finder, [name])?.split(/\r?\n/, 1)[0];
    if (path) return path;
  }
  return undefined;
}
