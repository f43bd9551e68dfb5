import { readEnvironment } from "@hil/platform/config/environment.ts";
import { z } from "zod";

const variables = z.object({
  HIL_OWNER_KEY: z.string().min(32, "must have at least 32 characters").optional(),
});

export interface AccessConfig {
  /** HIL_OWNER_KEY: the only owner key, where it is set. */
  readonly ownerKey: string | undefined;
}

/** Reads what the access service needs. Throws a ConfigurationError. */
export function readAccessConfig(environment: NodeJS.ProcessEnv): AccessConfig {
  return { ownerKey: readEnvironment(variables, environment).HIL_OWNER_KEY };
}
