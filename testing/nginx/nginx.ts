// A real nginx with a configuration of the project's own examples, on a free port of loopback.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export interface Nginx extends AsyncDisposable {
  /** What it wrote to its error log. */
  readonly said: () => string;
  /** Ends what it serves as a reload does: the old workers go when their connections have ended. */
  reload(): void;
}

/** Starts nginx. `site` is what stands inside "http { … }"; `port` is one that it listens on. */
export async function startNginx({ site, port }: { site: string; port: number }): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "hil-nginx-"));
  mkdirSync(join(folder, "temp"));
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${join(folder, "temp", kind)};`)
    .join(" ");
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr notice;
events { worker_connections 256; }
http { access_log off; ${temp}
${site}
}
`,
  );
  const child: ChildProcess = spawn(process.env.HIL_TEST_NGINX ?? "nginx", ["-p", folder, "-c", file], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-64_000);
  });
  const ended = once(child, "exit");
  for (let tries = 0; !(await listens(port)); tries++) {
    if (child.exitCode !== null || tries > 400) throw new Error(`nginx does not serve: ${said}`);
    await pause(50);
  }
  return {
    said: () => said,
    reload: () => void child.kill("SIGHUP"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
