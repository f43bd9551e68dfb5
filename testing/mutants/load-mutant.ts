// With `node --import`: runs the broken build that HIL_MUTANT names. Production code knows nothing of it.

import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUS_IS_DEAD, MUTANTS, mutate } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const mutant = [...MUTANTS, BUS_IS_DEAD].find(({ name }) => name === process.env.HIL_MUTANT);
if (!mutant) throw new Error(`HIL_MUTANT names no mutant: ${process.env.HIL_MUTANT}`);

const changes = Map.groupBy(mutant.changes, ({ file }) => pathToFileURL(join(ROOT, file)).href);

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const ofFile = changes.get(url);
    if (!ofFile) return loaded;
    const source = ofFile.reduce(mutate, String(Buffer.from(loaded.source as Uint8Array)));
    return { ...loaded, source };
  },
});
