import { DAY_MS, locale, readEnvironment, retentionDays } from "@hil/platform/config/environment.ts";
import { z } from "zod";
import type { Locale } from "./texts.ts";

export interface CallbackConfig {
  /** What vendors must show. Undefined: no header is set up. */
  readonly authHeader: { readonly name: string; readonly value: string } | undefined;
  /** The language of hints. */
  readonly locale: Locale;
  /** The time zone that hints show times in, an IANA name. Undefined: the machine's. */
  readonly timeZone: string | undefined;
  /** How long settled messages are kept. */
  readonly retentionMs: number;
}

/** The header that earlier systems looked at, whatever name was set up. */
export const DEFAULT_AUTH_HEADER = "x-api-key";

const schema = z
  .object({
    CALLBACK_AUTH_KEY: z
      .string()
      .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of an HTTP header, such as x-api-key")
      .optional(),
    CALLBACK_AUTH_VALUE: z.string().optional(),
    HIL_LOCALE: locale,
    HIL_RETENTION_DAYS: retentionDays,
    HIL_TIME_ZONE: z
      .string()
      .refine(isTimeZone, "must be the name of a time zone, such as Asia/Shanghai")
      .optional(),
  })
  .superRefine((given, context) => {
    if (given.CALLBACK_AUTH_KEY !== undefined && given.CALLBACK_AUTH_VALUE === undefined) {
      context.addIssue({
        code: "custom",
        path: ["CALLBACK_AUTH_VALUE"],
        message: "must be set to the header's value, because CALLBACK_AUTH_KEY names the header",
      });
    }
  });

/** Reads the settings. Throws a ConfigurationError that names every variable that is wrong. */
export function readCallbackConfig(environment: NodeJS.ProcessEnv): CallbackConfig {
  const given = readEnvironment(schema, environment);
  return {
    authHeader:
      given.CALLBACK_AUTH_VALUE === undefined
        ? undefined
        : { name: given.CALLBACK_AUTH_KEY ?? DEFAULT_AUTH_HEADER, value: given.CALLBACK_AUTH_VALUE },
    locale: given.HIL_LOCALE,
    timeZone: given.HIL_TIME_ZONE,
    retentionMs: given.HIL_RETENTION_DAYS * DAY_MS,
  };
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false; // the constructor has no other way to say that it does not know the name
  }
}
