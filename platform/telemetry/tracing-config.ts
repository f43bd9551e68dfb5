import { z } from "zod";
import { readEnvironment } from "../config/environment.ts";

const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

const schema = z.object({
  HIL_TRACING: z.enum(["on", "off"], { error: "must be on or off" }).optional(),
  OTEL_SDK_DISABLED: z.string().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.string().optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS, { error: `must be one of ${SAMPLERS.join(", ")}` })
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number({ error: "must be a share from 0 to 1" })
    .min(0, "must be a share from 0 to 1")
    .max(1, "must be a share from 0 to 1")
    .default(1),
  OTEL_BSP_SCHEDULE_DELAY: z.coerce
    .number({ error: "must be a number of milliseconds" })
    .int()
    .min(10, "must be at least 10")
    .default(5_000),
});

/** What share of the calls is traced, and whether a caller's own decision comes first. */
export interface TracingConfig {
  readonly followsCaller: boolean;
  readonly share: number;
  /** How long spans are collected before they are sent. */
  readonly sendEveryMs: number;
}

/**
 * Undefined where nothing asks for tracing: neither HIL_TRACING=on nor an OTLP endpoint. HIL_TRACING=off and
 * OTEL_SDK_DISABLED=true win. Throws a ConfigurationError.
 */
export function readTracingConfig(environment: NodeJS.ProcessEnv): TracingConfig | undefined {
  const given = readEnvironment(schema, environment);
  const isAsked =
    given.HIL_TRACING === "on" ||
    given.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    given.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
  const isOff = given.HIL_TRACING === "off" || given.OTEL_SDK_DISABLED?.toLowerCase() === "true";
  if (!isAsked || isOff) return undefined;
  const sampler = given.OTEL_TRACES_SAMPLER;
  const share = sampler.endsWith("off") ? 0 : sampler.endsWith("ratio") ? given.OTEL_TRACES_SAMPLER_ARG : 1;
  return {
    followsCaller: sampler.startsWith("parentbased_"),
    share,
    sendEveryMs: given.OTEL_BSP_SCHEDULE_DELAY,
  };
}
