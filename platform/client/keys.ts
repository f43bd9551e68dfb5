// The keys to try at HIL, best first.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readLocalKey } from "../auth/local-key.ts";
import type { ServiceUrl } from "./service-url.ts";

/**
 * HIL_API_KEY; else the key in the address; else, for a HIL of this machine, the local keys that can be found.
 * Read it for each call: a server makes its local key anew at every start.
 */
export function findKeys({
  apiKey,
  service,
  dataDir,
}: {
  apiKey: string | undefined;
  service: ServiceUrl;
  dataDir: string | undefined;
}): string[] {
  const told = apiKey ?? service.key;
  if (told !== undefined) return [told];
  if (!service.loopback) return [];
  const folders = [dataDir, resolve("data"), checkoutData(import.meta.dirname)];
  const keys = folders.flatMap((folder) => (folder ? (readLocalKey(folder) ?? []) : []));
  return [...new Set(keys)];
}

/** The data folder of the checkout that this file was installed from. Undefined outside of one. */
function checkoutData(from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "services", "mcp-adapter")) && isCheckout(folder))
      return join(folder, "data");
  }
  return undefined;
}

function isCheckout(folder: string): boolean {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name === "hil";
  } catch {
    return false; // no readable package.json: not a checkout
  }
}
