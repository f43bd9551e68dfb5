// A PostgreSQL of the tests' own: on a free port of loopback, in a folder that goes away with it.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { freePort } from "./free-port.ts";

const READY_PATIENCE_MS = 60_000;
const DEBIAN = "/usr/lib/postgresql";

export interface PostgresServer extends AsyncDisposable {
  /** postgres://… of a superuser. */
  readonly url: string;
  readonly pid: number;
  /** Makes an empty database and gives its address. */
  createDatabase(name: string): Promise<string>;
  /** Ends it: "SIGINT" politely, "SIGQUIT" as `pg_ctl stop -m immediate` does, "SIGKILL" at once. The data stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Holds it still, or lets it go on: every process of it. */
  signalAll(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** Where the programs of PostgreSQL are. Throws a sentence that says what to install. */
export function postgresBinaries(): string {
  const named = process.env.HIL_TEST_POSTGRES_BIN;
  if (named) return named;
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  for (const version of versions) {
    const bin = join(DEBIAN, version, "bin");
    if (existsSync(join(bin, "postgres"))) return bin;
  }
  throw new Error(
    "PostgreSQL was not found: install it (Debian: apt-get install postgresql), or set HIL_TEST_POSTGRES_BIN to the folder of its programs",
  );
}

/** Starts a server. `fsync` off is faster and safe as long as the machine itself does not fail. */
export async function startPostgres({
  fsync = false,
  settings = {},
}: {
  fsync?: boolean;
  settings?: Readonly<Record<string, string>>;
} = {}): Promise<PostgresServer> {
  const bin = postgresBinaries();
  const folder = mkdtempSync(join(tmpdir(), "hil-postgres-"));
  chmodSync(folder, 0o700);
  const user = unprivilegedUser();
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const identity = user ? { uid: user.uid, gid: user.gid } : {};
  execFileSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "hil_test", "-A", "trust", "-E", "UTF8", "--no-sync"],
    {
      ...identity,
      stdio: "pipe",
      env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
    },
  );
  const port = await freePort();
  const url = `postgres://hil_test@127.0.0.1:${port}/postgres`;
  const given = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: folder,
    fsync: fsync ? "on" : "off",
    max_connections: "200",
    shared_buffers: "64MB",
    ...settings,
  };
  const args = ["-D", data, ...Object.entries(given).flatMap(([key, value]) => ["-c", `${key}=${value}`])];
  let child: ChildProcess;
  const run = async () => {
    child = spawn(join(bin, "postgres"), args, { ...identity, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-4_000);
    });
    await ready(url, () => (child.exitCode === null && child.signalCode === null ? undefined : said));
  };
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  await run();
  return {
    url,
    get pid() {
      return child.pid!;
    },
    async createDatabase(name) {
      await withClient(url, (client) => client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`));
      return url.replace(/[^/]*$/, name);
    },
    kill,
    async restart() {
      await kill("SIGINT");
      await run();
    },
    signalAll(signal) {
      for (const pid of [...childrenOf(child.pid!), child.pid!]) process.kill(pid, signal);
    },
    async [Symbol.asyncDispose]() {
      await kill("SIGQUIT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ready(url: string, ended: () => string | undefined): Promise<void> {
  for (const end = Date.now() + READY_PATIENCE_MS; ; ) {
    try {
      await withClient(url, (client) => client.query("SELECT 1"));
      return;
    } catch (error) {
      const said = ended();
      if (said !== undefined) throw new Error(`PostgreSQL did not start: ${said}`, { cause: error });
      if (Date.now() > end) throw new Error("PostgreSQL was not ready within a minute", { cause: error });
      await pause(50);
    }
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {}); // the server may be killed under it
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function childrenOf(pid: number): number[] {
  try {
    return execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map(Number);
  } catch {
    return []; // pgrep finds none
  }
}
