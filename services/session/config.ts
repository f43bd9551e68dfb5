import { DAY_MS, locale, readEnvironment, retentionDays, seconds } from "@hil/platform/config/environment.ts";
import { z } from "zod";

const variables = z.object({
  HIL_DEFAULT_TIMEOUT: seconds(1, 315_360_000).default(1200),
  HIL_MIN_TIMEOUT: seconds(0, 315_360_000).default(0),
  HIL_MAX_TIMEOUT: seconds(1, 315_360_000).optional(),
  HIL_RETENTION_DAYS: retentionDays,
  HIL_MAX_WAITS: z.coerce.number().int().min(1).default(50_000),
  HIL_LOCALE: locale,
});

/** What the tenant lays down for its sessions. Durations in milliseconds. */
export interface SessionSettings {
  /** For a request without a timeout. */
  readonly defaultTimeoutMs: number;
  /** For a notice without a timeout. */
  readonly noticeTimeoutMs: number;
  /** The floor of deadlines. */
  readonly minTimeoutMs: number;
  /** The maximum of deadlines; undefined: none, and a session may wait for ever. */
  readonly maxTimeoutMs: number | undefined;
  /** How long ended sessions are kept. */
  readonly retentionMs: number;
  /** How many calls may wait at once. */
  readonly maxWaits: number;
  readonly locale: "zh-CN" | "en";
  /** The channel of a target that names none. */
  readonly chatChannelId: string;
}

export function readSessionSettings(environment: NodeJS.ProcessEnv): SessionSettings {
  const given = readEnvironment(variables, environment);
  const maxTimeoutMs = given.HIL_MAX_TIMEOUT === undefined ? undefined : given.HIL_MAX_TIMEOUT * 1000;
  return {
    defaultTimeoutMs: Math.min(given.HIL_DEFAULT_TIMEOUT * 1000, maxTimeoutMs ?? Number.POSITIVE_INFINITY),
    noticeTimeoutMs: Math.min(24 * 3_600_000, maxTimeoutMs ?? Number.POSITIVE_INFINITY),
    minTimeoutMs: given.HIL_MIN_TIMEOUT * 1000,
    maxTimeoutMs,
    retentionMs: given.HIL_RETENTION_DAYS * DAY_MS,
    maxWaits: given.HIL_MAX_WAITS,
    locale: given.HIL_LOCALE,
    chatChannelId: "wecom-robot",
  };
}
