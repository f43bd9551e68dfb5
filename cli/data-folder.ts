import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const CHECKOUT = resolve(import.meta.dirname, "..");

/** Where a server on this machine keeps its data: what is told, else HIL_DATA_DIR, else the folder that is there. */
export function dataFolder(environment: NodeJS.ProcessEnv, told?: string): string {
  const said = told || environment.HIL_DATA_DIR;
  if (said) return resolve(said);
  const here = resolve("data");
  return existsSync(here) ? here : join(CHECKOUT, "data");
}
