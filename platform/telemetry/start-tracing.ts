import { ConfigurationError } from "../config/environment.ts";
import { setTracing } from "./tracing.ts";
import { readTracingConfig } from "./tracing-config.ts";

/** What the exporter needs, at the versions that the tests run with. HIL does not bring it: few trace. */
export const TRACING_PACKAGES =
  "@opentelemetry/sdk-trace@3.1.0 @opentelemetry/resources@3.1.0 @opentelemetry/exporter-trace-otlp-http@0.301.0";

export interface RunningTracing {
  /** Sends what is left, and stops tracing. */
  close(): Promise<void>;
}

/**
 * Traces this process where its environment asks for it; otherwise nothing is loaded and the result is undefined. Spans
 * go to OTEL_EXPORTER_OTLP_ENDPOINT, with OTLP's other variables as they are defined. Throws a ConfigurationError.
 */
export async function startTracing({
  environment,
  service,
  version,
}: {
  environment: NodeJS.ProcessEnv;
  /** "session", or "hil" for all in one. */
  service: string;
  version: string;
}): Promise<RunningTracing | undefined> {
  const config = readTracingConfig(environment);
  if (!config) return undefined;
  const { createTracing } = await import("./create-tracing.ts");
  const { sdk, resources, exporter } = await load();
  const byShare = new sdk.TraceIdRatioBasedSampler(config.share);
  const provider = new sdk.TracerProvider({
    sampler: config.followsCaller ? new sdk.ParentBasedSampler({ root: byShare }) : byShare,
    resource: resources
      .defaultResource()
      .merge(
        resources.resourceFromAttributes({
          "service.name": service === "hil" ? "hil" : `hil-${service}`,
          "service.version": version,
        }),
      )
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new exporter.OTLPTraceExporter(),
        scheduledDelayMillis: config.sendEveryMs,
      }),
    ],
  });
  setTracing(createTracing(provider, version));
  return {
    async close() {
      setTracing(undefined);
      await provider.shutdown().catch(() => {}); // whoever collects is away; spans may be lost
    },
  };
}

async function load() {
  try {
    const [sdk, resources, exporter] = await Promise.all([
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/resources"),
      import("@opentelemetry/exporter-trace-otlp-http"),
    ]);
    return { sdk, resources, exporter };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigurationError(
      `HIL_TRACING: tracing is asked for, and its packages are not installed: run npm install --no-save ${TRACING_PACKAGES}, or set HIL_TRACING=off`,
    );
  }
}
