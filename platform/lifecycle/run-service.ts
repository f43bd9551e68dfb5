// The life of one service in a process of its own.
//
// L1. It starts when what it needs is there: until then it tries again and says what it waits for. Settings that are
//     wrong end it at once (78), and so does a fault of its own (70).
// L2. On SIGTERM it is not ready any more, takes no new connections, tells the others to go elsewhere, ends waits as if
//     their time were over, lets what is under way end, and goes with 0 within 10 s.
// L3. What it had accepted is in the database: a process that is killed loses nothing (I1), and L2 is only politeness.

import type { Client, Transport } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { startCheckpoints } from "../audit/checkpoints.ts";
import { readCheckpointsPath } from "../audit/config.ts";
import type { TenantDirectory } from "../auth/tenant-directory.ts";
import { ConfigurationError } from "../config/environment.ts";
import type { EventBus } from "../events/event-bus.ts";
import { openNatsBus } from "../events/nats-bus.ts";
import { armFailpoints } from "../failpoints/failpoint.ts";
import { type HttpHandler, type Listener, startListener } from "../http/listener.ts";
import { withMetrics } from "../http/metrics-route.ts";
import { createOriginGuard } from "../http/origin-guard.ts";
import type { RateLimits } from "../limits/rate-limits.ts";
import manifest from "../package.json" with { type: "json" };
import { healthRoutes } from "../rpc/health.ts";
import { localTransport } from "../rpc/local-transport.ts";
import { createPeerProbe } from "../rpc/peer-probe.ts";
import { reflectionRoutes } from "../rpc/reflection.ts";
import { remoteTransport } from "../rpc/remote-transport.ts";
import type { Authenticate, Service } from "../rpc/service.ts";
import { openVault, type Vault } from "../secrets/vault.ts";
import { openSigningKey, type SigningKey } from "../signing/signing-key.ts";
import { createDatabaseProbe } from "../storage/database-probe.ts";
import type { Storage } from "../storage/storage.ts";
import { createLog, type Log } from "../telemetry/log.ts";
import { readLogConfig } from "../telemetry/log-config.ts";
import { startTracing } from "../telemetry/start-tracing.ts";
import { CRASHED, exitOnCrash } from "./crash.ts";
import { createFoundation } from "./foundation.ts";
import { nothingElse, withProbes } from "./probe-routes.ts";
import { createReadiness, type Part } from "./readiness.ts";
import { type PeerName, readServiceConfig, type ServiceConfig } from "./service-config.ts";
import { untilThere } from "./until-there.ts";

/** EX_CONFIG of sysexits.h. */
const MISCONFIGURED = 78;
/** How long calls under way have to end, and how long the whole end may take. */
const CALLS_GRACE_MS = 7_000;
const DRAIN_MS = 9_500;
/** When it is said that NATS is waited for. */
const BUS_PATIENCE_MS = 2_000;

/** What a service is made of in a process of its own. The same parts, but for the transports, as in the embedded form. */
export interface ServiceParts {
  readonly config: ServiceConfig;
  readonly dataDir: string;
  readonly log: Log;
  readonly now: () => Date;
  readonly storage: Storage;
  readonly vault: Vault;
  readonly signingKey: SigningKey;
  readonly authenticate: Authenticate;
  readonly tenants: TenantDirectory;
  readonly limits: RateLimits;
  /** The access service, called as a service of the deployment. */
  readonly access: Client<typeof AccessService>;
  readonly bus: EventBus;
  /** The way to another service, as a service of the deployment. */
  asService(peer: PeerName): Transport;
  /** The way to another service with the credential that each call brings. */
  asCaller(peer: PeerName): Transport;
  /** Aborts when the process drains. */
  readonly drain: AbortSignal;
}

/** A service that is open. */
export interface RunningService {
  readonly services: readonly Service[];
  /** What is served beside RPCs. Default: nothing. */
  readonly fallback?: HttpHandler;
  readonly audit?: AuditLog;
  /** Runs once it listens. */
  started?(): Promise<void> | void;
  /** Ends waits as if their time were over, new ones at once. */
  drain?(): void;
  close(): Promise<void> | void;
}

export interface ServiceProgram {
  readonly name: PeerName | "gateway";
  readonly needs: { readonly storage: boolean; readonly bus: boolean; readonly peers: readonly PeerName[] };
  /** It takes what is sent to it while its database is away: it is ready all the same. */
  readonly servesWithoutStorage?: boolean;
  /** The peers without which it cannot serve. */
  readonly requires: readonly PeerName[];
  /** Whether people and their programs call it, and not only services of the deployment. */
  readonly isEntrance?: boolean;
  /** Reads what the service itself is told, and gives what opens it. Throws a ConfigurationError. */
  prepare(environment: NodeJS.ProcessEnv): (parts: ServiceParts) => Promise<RunningService>;
}

type Closers = (() => Promise<void> | void)[];

/** Runs a service until the process is told to end. */
export async function runService(
  program: ServiceProgram,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const told = readAll(program, environment);
  const { config, checkpointsPath, open, logConfig } = told;
  const base = { service: program.name, version: manifest.version };
  const log = createLog(config.logLevel, { base, config: logConfig });
  exitOnCrash(log);
  const now = () => new Date();
  const closers: Closers = [];
  const draining = new AbortController();
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  const opened = <T extends { close(): Promise<void> | void }>(what: T): T => {
    closers.push(() => what.close());
    return what;
  };
  try {
    let service: RunningService | undefined;
    let listener: Listener | undefined;
    const tracing = await startTracing({ environment, ...base });
    if (tracing) closers.push(() => tracing.close());
    const starting = (async () => {
      const parts = makeParts(program, {
        config,
        environment,
        opened,
        log,
        now,
        draining,
        local: () => service?.services,
      });
      const probes = await probesOf(program, parts, opened);
      const bus = config.natsUrl === undefined ? undefined : opened(await connectBus(config.natsUrl, log));
      service = opened(
        await untilThere(() => open({ ...parts, bus: bus! /* as storage */ }), {
          signal: draining.signal,
          log,
        }),
      );
      if (service.audit) {
        opened(
          startCheckpoints({
            logs: [service.audit],
            signingKey: parts.signingKey,
            dataDir: config.dataDir,
            path: checkpointsPath,
            now,
            log,
          }),
        );
      }
      const readiness = createReadiness([
        ...probes,
        ...(bus ? [{ name: "nats", required: false, isThere: () => bus.isConnected() }] : []),
      ]);
      draining.signal.addEventListener("abort", () => readiness.drain());
      listener = await startListener({
        host: config.host,
        port: config.port,
        services: service.services,
        standardRoutes: [
          healthRoutes(
            service.services.map(({ desc }) => desc.typeName),
            readiness,
          ),
          reflectionRoutes(service.services.map(({ desc }) => desc)),
        ],
        fallback: withProbes(
          withMetrics(service.fallback ?? nothingElse, {
            authenticate: parts.authenticate,
            allowKeyless: false,
          }),
          { service: program.name, readiness },
        ),
        guard: createOriginGuard({ listenHost: config.host, allowedHosts: config.allowedHosts }),
        proxies: config.trustedProxies,
        isInner: !program.isEntrance,
        log,
        now,
      });
      log.info({ host: config.host, port: listener.port }, "listening");
      await service.started?.();
    })();
    const signal = await Promise.race([stopped, starting.then(() => stopped)]);
    log.info({ signal }, "draining, 10 s at most");
    setTimeout(() => {
      log.warn("some calls did not end in time and are cut; what was accepted is in the database");
      process.exit(0);
    }, DRAIN_MS).unref();
    draining.abort();
    service?.drain?.();
    await listener?.close(CALLS_GRACE_MS);
    await closeAll(closers);
    log.info("ended");
    process.exit(0);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      process.stderr.write(`hil ${program.name}: ${error.message}\n`);
      process.exit(MISCONFIGURED);
    }
    log.fatal({ err: error }, "cannot start");
    process.exit(CRASHED);
  }
}

/** Reads all that a process is told, and ends it with all that is wrong. */
function readAll(program: ServiceProgram, environment: NodeJS.ProcessEnv) {
  const wrong: string[] = [];
  const read = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      wrong.push(error.message);
      return undefined;
    }
  };
  read(() => armFailpoints(environment));
  const config = read(() => readServiceConfig(environment, program.needs));
  const open = read(() => program.prepare(environment));
  const path = read(() => readCheckpointsPath(environment));
  const logConfig = read(() => readLogConfig(environment));
  if (wrong.length > 0 || !config || !open || !logConfig) {
    process.stderr.write(`hil ${program.name}: ${wrong.join("\n")}\n`);
    process.exit(MISCONFIGURED);
  }
  return { config, open, logConfig, checkpointsPath: path };
}

function makeParts(
  program: ServiceProgram,
  {
    config,
    environment,
    opened,
    log,
    now,
    draining,
    local,
  }: {
    config: ServiceConfig;
    environment: NodeJS.ProcessEnv;
    opened: <T extends { close(): void }>(what: T) => T;
    log: Log;
    now: () => Date;
    draining: AbortController;
    local: () => readonly Service[] | undefined;
  },
): Omit<ServiceParts, "bus"> {
  const { serviceKey, dataDir } = config;
  const transports = new Map<string, Transport>();
  const to = (peer: PeerName, credential: string | undefined): Transport => {
    const key = `${peer} ${credential === undefined ? "caller" : "service"}`;
    const made = transports.get(key) ?? make(peer, credential);
    transports.set(key, made);
    return made;
  };
  const make = (peer: PeerName, credential: string | undefined): Transport => {
    if (peer === program.name) return localTransport(local, credential);
    const url = config.peers[peer];
    if (url === undefined) throw new Error(`${program.name} does not say that it needs ${peer}`);
    return opened(remoteTransport({ url, ...(credential === undefined ? {} : { credential }) }));
  };
  const foundation = createFoundation({ toAccess: to("access", serviceKey), serviceKey, now });
  return {
    ...foundation,
    config,
    dataDir,
    log,
    now,
    storage: config.storage!, // a program that says that it has none does not read it
    vault: openVault({ dataDir, environment }),
    signingKey: openSigningKey({ dataDir }),
    asService: (peer) => to(peer, serviceKey),
    asCaller: (peer) => to(peer, undefined),
    drain: draining.signal,
  };
}

async function probesOf(
  program: ServiceProgram,
  { config }: Pick<ServiceParts, "config">,
  opened: <T extends { close(): Promise<void> }>(what: T) => T,
): Promise<Part[]> {
  const parts: Part[] = [];
  if (config.storage) {
    const probe = opened(createDatabaseProbe(config.storage.url));
    const required = !program.servesWithoutStorage;
    parts.push({ name: "database", required, isThere: () => probe.isThere() });
  }
  for (const name of program.needs.peers) {
    const url = config.peers[name];
    if (url === undefined) continue;
    const isThere = createPeerProbe(url);
    parts.push({ name, required: program.requires.includes(name), isThere });
  }
  return parts;
}

async function connectBus(url: string, log: Log): Promise<EventBus> {
  const late = setTimeout(() => log.warn("NATS is not there yet; waiting for it"), BUS_PATIENCE_MS);
  try {
    return await openNatsBus({ url, name: "hil", log });
  } finally {
    clearTimeout(late);
  }
}

async function closeAll(closers: Closers): Promise<void> {
  for (const close of closers.toReversed()) await close();
}
