import { resolve } from "node:path";
import { z } from "zod";
import { readEnvironment } from "../config/environment.ts";

const variables = z.object({ HIL_AUDIT_CHECKPOINTS: z.string().optional() });

/** Where checkpoints are written. Undefined: in the data folder. */
export function readCheckpointsPath(environment: NodeJS.ProcessEnv): string | undefined {
  const path = readEnvironment(variables, environment).HIL_AUDIT_CHECKPOINTS;
  return path === undefined ? undefined : resolve(path);
}
