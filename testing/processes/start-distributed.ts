// The distributed form on one machine: each service in processes of its own, PostgreSQL and NATS beside them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../servers/free-port.ts";
import { type NatsServer, startNats } from "../servers/nats-server.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres-server.ts";

/** For a machine that runs other tests besides. */
const READY_PATIENCE_MS = 170_000;
const SERVICES = ["access", "session", "delivery", "callback", "mcp-adapter", "gateway"] as const;

export type ServiceName = (typeof SERVICES)[number];

/** One replica of one service. */
export interface ServiceProcess {
  /** "session", of several "session-1", "session-2". */
  readonly name: string;
  readonly service: ServiceName;
  readonly url: string;
  readonly pid: number;
  /** Ends it, by default as kill -9 does. Resolves to its exit code, or the signal that ended it. */
  kill(signal?: NodeJS.Signals): Promise<number | string>;
  /** Starts it again on the same port, and waits until it is ready. */
  restart(): Promise<void>;
  /** Holds it still. */
  pause(): void;
  resume(): void;
  /** Asks it to collect its garbage. */
  collectGarbage(): void;
  /** What it wrote to its log since the last start. */
  logged(): string;
}

export interface Distributed extends AsyncDisposable {
  /** The first gateway. */
  readonly url: string;
  /** All gateways. */
  readonly urls: readonly string[];
  readonly ownerKey: string;
  readonly serviceKey: string;
  readonly dataDir: string;
  readonly processes: readonly ServiceProcess[];
  /** Where relays attach, one port for each delivery process. */
  readonly relayPorts: readonly number[];
  readonly postgres: PostgresServer;
  readonly nats: NatsServer;
}

export interface DistributedOptions {
  /** How many of each service. Default: one, and of the MCP adapter none. */
  readonly replicas?: Partial<Record<ServiceName, number>>;
  /** For all processes, beside what binds them together. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Between the processes and the servers: gives the addresses that they are told, such as those of a proxy. */
  readonly through?: (servers: { postgresUrl: string; natsUrl: string }) => Promise<{
    postgresUrl: string;
    natsUrl: string;
  }>;
  readonly postgres?: Parameters<typeof startPostgres>[0];
}

/**
 * Runs in each process beside the service. Collects garbage when asked, for the benchmark: what is measured afterwards
 * is what is kept. And ends with whoever started it: a test that is killed leaves nothing behind.
 */
const BESIDE = `data:text/javascript,${encodeURIComponent(`
  process.on("SIGUSR2", () => globalThis.gc?.());
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), 1_000).unref();
`)}`;
const OWNER_KEY = "hil_owner_distributed_0123456789abcdef01234567";
const SERVICE_KEY = "hil_service_distributed_0123456789abcdef012345";

/** Starts all of it and waits until every process is ready. */
export async function startDistributed(options: DistributedOptions = {}): Promise<Distributed> {
  await using stack = new AsyncDisposableStack();
  const dataDir = mkdtempSync(join(tmpdir(), "hil-distributed-"));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const postgres = stack.use(await startPostgres(options.postgres));
  const nats = stack.use(await startNats());
  const servers = { postgresUrl: await postgres.createDatabase("hil"), natsUrl: nats.url };
  const { postgresUrl, natsUrl } = (await options.through?.(servers)) ?? servers;

  const ports = new Map<ServiceName, number[]>();
  for (const service of SERVICES) {
    const count = options.replicas?.[service] ?? (service === "mcp-adapter" ? 0 : 1);
    ports.set(service, await Promise.all(Array.from({ length: count }, freePort)));
  }
  const relayPorts = await Promise.all(ports.get("delivery")!.map(freePort));
  const urlsOf = (service: ServiceName) => ports.get(service)!.map((port) => `http://127.0.0.1:${port}`);
  const environment: Record<string, string> = {
    HIL_LOG_LEVEL: "warn",
    ...options.environment,
    HIL_HOST: "127.0.0.1",
    HIL_DATA_DIR: dataDir,
    HIL_SERVICE_KEY: SERVICE_KEY,
    HIL_OWNER_KEY: OWNER_KEY,
    HIL_DATABASE_URL: postgresUrl,
    HIL_NATS_URL: natsUrl,
    HIL_ACCESS_URL: urlsOf("access").join(","),
    HIL_SESSION_URL: urlsOf("session").join(","),
    HIL_DELIVERY_URL: urlsOf("delivery").join(","),
    HIL_CALLBACK_URL: urlsOf("callback").join(","),
    ...(urlsOf("mcp-adapter").length > 0 ? { HIL_MCP_URL: urlsOf("mcp-adapter").join(",") } : {}),
  };
  const processes: StartedProcess[] = [];
  stack.defer(async () => {
    await Promise.all(processes.map((each) => each.kill()));
  });
  for (const service of SERVICES) {
    const places = ports.get(service)!;
    for (const [index, port] of places.entries()) {
      const name = places.length === 1 ? service : `${service}-${index + 1}`;
      const own = {
        ...environment,
        ...(service === "delivery" && { HIL_RELAY_PORT: `${relayPorts[index]}` }),
      };
      processes.push(startServiceProcess({ name, service, port, environment: own }));
    }
  }
  await Promise.all(processes.map((each) => each.ready()));
  const owned = stack.move();
  const urls = urlsOf("gateway");
  return {
    url: urls[0]!,
    urls,
    ownerKey: OWNER_KEY,
    serviceKey: SERVICE_KEY,
    dataDir,
    processes,
    relayPorts,
    postgres,
    nats,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface StartedProcess extends ServiceProcess {
  ready(): Promise<void>;
}

function startServiceProcess({
  name,
  service,
  port,
  environment,
}: {
  name: string;
  service: ServiceName;
  port: number;
  environment: Record<string, string>;
}): StartedProcess {
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess;
  let said = "";
  const start = () => {
    said = "";
    const isMcp = service === "mcp-adapter";
    const main = isMcp ? "http-main.ts" : "main.ts"; // its main.ts is the process over stdio
    const script = join(import.meta.dirname, "..", "..", "services", service, main);
    const flags = isMcp ? ["--max-semi-space-size=1"] : []; // as docker-compose.yml
    child = spawn(process.execPath, [...flags, "--expose-gc", "--import", BESIDE, script], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        ...environment,
        HIL_PORT: String(port),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-64_000);
    });
  };
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const ready = async () => {
    for (const end = Date.now() + READY_PATIENCE_MS; ; await pause(50)) {
      const found = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) }).catch(
        () => undefined,
      );
      await found?.body?.cancel();
      if (found?.ok) return;
      if (hasEnded()) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}: ${said}`);
      if (Date.now() > end) throw new Error(`${name} was not ready in time: ${said}`);
    }
  };
  start();
  return {
    name,
    service,
    url,
    ready,
    get pid() {
      return child.pid!;
    },
    async kill(signal: NodeJS.Signals = "SIGKILL") {
      if (!hasEnded()) {
        const gone = once(child, "exit");
        child.kill(signal);
        await gone;
      }
      return child.exitCode ?? child.signalCode!;
    },
    async restart() {
      start();
      await ready();
    },
    pause: () => void process.kill(child.pid!, "SIGSTOP"),
    resume: () => void process.kill(child.pid!, "SIGCONT"),
    collectGarbage: () => void child.kill("SIGUSR2"),
    logged: () => said,
  };
}
