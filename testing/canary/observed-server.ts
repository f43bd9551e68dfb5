// A deployment of which everything that it lets out is kept: its log, and each answer that it gives.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import { join } from "node:path";

/** One answer, or what a client of ours was told instead. */
export interface Observed {
  readonly where: string;
  readonly status: number;
  /** Head and body. */
  readonly text: string;
}

export interface ObservedServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Everything on stdout and stderr so far. */
  log(): string;
  readonly answers: readonly Observed[];
  /** Sends a request over HTTP/1.1 and keeps the answer. */
  send1(
    method: string,
    target: string,
    headers: http.OutgoingHttpHeaders,
    body?: string | Uint8Array,
  ): Promise<Observed>;
  /** Sends a request over HTTP/2 and keeps the answer. */
  send2(
    method: string,
    target: string,
    headers: http2.OutgoingHttpHeaders,
    body?: string | Uint8Array,
  ): Promise<Observed>;
  /** Ends it by a signal; its exit code, and null where the signal itself ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export async function startObservedServer(environment: Record<string, string>): Promise<ObservedServer> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "crashing-server.ts")], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HIL_PORT: "0",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      log += chunk.toString("utf8");
      const match = /^listening (\d+)$/m.exec(log);
      if (match) resolve(Number(match[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", () => reject(new Error(`it ended before it listened: ${log}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  const answers: Observed[] = [];
  const keep = (answer: Observed): Observed => {
    answers.push(answer);
    return answer;
  };
  return {
    url,
    port,
    answers,
    log: () => log,
    send1: async (method, target, headers, body) => keep(await send1(url, method, target, headers, body)),
    send2: async (method, target, headers, body) => keep(await send2(url, method, target, headers, body)),
    end: (signal) => end(child, signal),
    async [Symbol.asyncDispose]() {
      await end(child, "SIGKILL");
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, "close"); // then its last words have been read too
    child.kill(signal);
    await closed;
  }
  return child.exitCode;
}

function send1(
  url: string,
  method: string,
  target: string,
  headers: http.OutgoingHttpHeaders,
  body?: string | Uint8Array,
): Promise<Observed> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, path: target, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          where: `HTTP/1.1 ${method} ${routeOf(target)}`,
          status: response.statusCode!,
          text: `${response.statusMessage}\n${response.rawHeaders.join("\n")}\n${Buffer.concat(chunks).toString("utf8")}`,
        }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

function send2(
  url: string,
  method: string,
  target: string,
  headers: http2.OutgoingHttpHeaders,
  body?: string | Uint8Array,
): Promise<Observed> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url);
    session.on("error", reject);
    const stream = session.request({ ":method": method, ":path": target, ...headers });
    const head: string[] = [];
    const chunks: Buffer[] = [];
    let status = 0;
    stream.on("response", (given) => {
      status = Number(given[":status"]);
      head.push(JSON.stringify(given));
    });
    stream.on("trailers", (given) => head.push(JSON.stringify(given)));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      session.close();
      const text = `${head.join("\n")}\n${Buffer.concat(chunks).toString("utf8")}`;
      resolve({ where: `HTTP/2 ${method} ${routeOf(target)}`, status, text });
    });
    stream.end(body);
  });
}

/** A target without what is secret in it, to be told in a failed test. */
function routeOf(target: string): string {
  return target.replace(/^\/k\/[^/]*/, "/k/KEY").replace(/[?#].*$/, "?…");
}

/** Every file of a folder, by its path and with its bytes as latin1. */
export function filesOf(folder: string): { path: string; text: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, text: readFileSync(path, "latin1") }));
}
