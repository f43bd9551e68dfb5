// The embedded form: every service in one process, on one folder and one port.

import { resolve } from "node:path";
import { prepareGateway } from "@hil/gateway/prepare-gateway.ts";
import { armFailpoints } from "@hil/platform/failpoints/failpoint.ts";
import { startListener } from "@hil/platform/http/listener.ts";
import { withMetrics } from "@hil/platform/http/metrics-route.ts";
import { createOriginGuard } from "@hil/platform/http/origin-guard.ts";
import { withProbes } from "@hil/platform/lifecycle/probe-routes.ts";
import { createReadiness } from "@hil/platform/lifecycle/readiness.ts";
import { healthRoutes } from "@hil/platform/rpc/health.ts";
import { reflectionRoutes } from "@hil/platform/rpc/reflection.ts";
import { lockDataDir } from "@hil/platform/storage/data-dir-lock.ts";
import { createLog, type Log } from "@hil/platform/telemetry/log.ts";
import { readLogConfig } from "@hil/platform/telemetry/log-config.ts";
import { startTracing } from "@hil/platform/telemetry/start-tracing.ts";
import { readEmbeddedConfig } from "./config.ts";
import { prepareServices } from "./embedded-services.ts";
import { version } from "./version.ts";

export interface Embedded {
  /** Where it listens: "http://127.0.0.1:8080". */
  readonly url: string;
  readonly port: number;
  /** Where relays attach. Undefined: nowhere. */
  readonly relayPort: number | undefined;
  readonly dataDir: string;
  /** The owner key, where this start made it. It cannot be read again. */
  readonly newOwnerKey: string | undefined;
  /** The key of this user's own programs. */
  readonly localKey: string;
  /** Makes a link that signs one browser in as the owner, once, within 15 minutes. */
  signInUrl(): Promise<string>;
  /** Takes no new calls, lets those under way end for up to 10 s, and closes everything. Idempotent. */
  close(): Promise<void>;
}

/** Starts the embedded form. Rejects with a sentence that says what to change where it cannot. */
export async function startEmbedded({
  environment,
  log: givenLog,
}: {
  environment: NodeJS.ProcessEnv;
  log?: Log;
}): Promise<Embedded> {
  armFailpoints(environment);
  const config = readEmbeddedConfig(environment);
  const openServices = prepareServices(environment);
  const createGateway = prepareGateway(environment, config.publicUrl);
  const dataDir = resolve(config.dataDir);
  const base = { service: "hil", version: version() };
  const log = givenLog ?? createLog(config.logLevel, { base, config: readLogConfig(environment) });
  const tracing = await startTracing({ environment, ...base });
  const now = () => new Date();
  const closers: (() => Promise<void> | void)[] = tracing ? [() => tracing.close()] : [];
  try {
    closers.push(lockDataDir(dataDir));
    const embedded = await openServices({ dataDir, allowKeyless: config.allowKeyless, closers, log, now });
    let publicUrl = "";
    const readiness = createReadiness(embedded.databases);
    const contracts = embedded.services.map(({ desc }) => desc);
    const serve = createGateway({
      authenticate: embedded.authenticate,
      serviceKey: embedded.keys.serviceKey,
      keylessKey: config.allowKeyless ? embedded.keys.keylessKey : undefined,
      ...embedded.asCaller,
      accessAsService: embedded.asService.access,
      limits: embedded.limits,
      signingKey: embedded.signingKey,
      vendorHttp: embedded.vendorHttp,
      mcpHttp: embedded.mcpHttp,
      publicUrl: () => publicUrl,
      log,
      now,
    });
    const listener = await startListener({
      host: config.host,
      port: config.port,
      services: embedded.services,
      standardRoutes: [
        healthRoutes(
          contracts.map(({ typeName }) => typeName),
          readiness,
        ),
        reflectionRoutes(contracts),
      ],
      fallback: withProbes(
        withMetrics(serve, { authenticate: embedded.authenticate, allowKeyless: config.allowKeyless }),
        { service: "hil", readiness },
      ),
      guard: createOriginGuard({ listenHost: config.host, allowedHosts: config.allowedHosts }),
      proxies: config.trustedProxies,
      log,
    });
    const url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${listener.port}`;
    publicUrl = config.publicUrl?.origin ?? url;
    const { newOwnerKey, localKey } = embedded.access;
    let closing: Promise<void> | undefined;
    return {
      url,
      port: listener.port,
      relayPort: embedded.relayPort,
      dataDir,
      newOwnerKey,
      localKey,
      async signInUrl() {
        const headers = { authorization: `Bearer ${localKey}` };
        const { token } = await embedded.asCaller.access.createSignInLink({}, { headers });
        return `${publicUrl}/login#${token}`;
      },
      close() {
        closing ??= (async () => {
          readiness.drain();
          embedded.mcpHttp.drain();
          // Waits end first, so that their callers get an answer while the listener still carries it.
          const listening = listener.close();
          await closeAll(closers);
          await listening;
        })();
        return closing;
      },
    };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function closeAll(closers: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (const close of closers.toReversed()) await close();
}
