import { z } from "zod";

/** A set-up that cannot work. The message names every variable that is wrong and what would be right. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

/**
 * Reads variables by a schema whose keys are their names. An empty variable counts as unset. Throws a
 * ConfigurationError that names all that are wrong, never their values: they may be secrets.
 */
export function readEnvironment<S extends z.ZodObject>(
  schema: S,
  environment: NodeJS.ProcessEnv,
): z.infer<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape).flatMap((name) => {
      const value = environment[name]?.trim();
      return value ? [[name, value]] : [];
    }),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  throw new ConfigurationError(`these variables are not right:\n${lines.join("\n")}`);
}

/** A whole number of seconds. */
export const seconds = (least: number, most: number) =>
  z.coerce.number({ error: "must be a number of seconds" }).int().min(least).max(most);

/** A TCP port. */
export const port = z.coerce
  .number({ error: "must be a port number from 0 to 65535" })
  .int()
  .min(0, "must be a port number from 0 to 65535")
  .max(65535, "must be a port number from 0 to 65535");

/** A comma-separated list. */
export const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean),
);

/** HIL_JWT_SCOPES, which the access service checks and the gateway tells clients. Default: none. */
export const tokenScopes = list
  .pipe(z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "must be scopes with commas between them")))
  .default([]);

/** The language of our words to people. */
export const locale = z.enum(["zh-CN", "en"], { error: "must be zh-CN or en" }).default("zh-CN");

/** Days that what has ended is kept. Idempotency keys and short ids live for 30 days after the end. */
export const retentionDays = z.coerce
  .number({ error: "must be a number of days" })
  .int()
  .min(30, "must be at least 30: idempotency keys and short ids live that long")
  .default(90);

export const DAY_MS = 24 * 3_600_000;
