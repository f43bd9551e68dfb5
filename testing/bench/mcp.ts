// npm run bench -- mcp: agents that wait through MCP over HTTP, each on a connection of its own, as their clients do.

import * as http from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { type Distributed, type ServiceProcess, startDistributed } from "../processes/start-distributed.ts";
import { residentBytes } from "./subject.ts";

/** As many waits as a first round brings, so that what a process makes once does not count. */
const WARM_UP = 200;
/** What the goal of G5's kind for MCP allows each wait in the adapter: 60 KB. */
export const MOST_BYTES_PER_WAIT = 60_000;
const BATCH = 100;
const SETTLE_MS = 3_000;
const SLICE_S = 600;

/** What a client says of itself. */
export type Era = "2025-11-25" | "2026-07-28" | "2026-07-28 with progress";
export const ERAS: readonly Era[] = ["2025-11-25", "2026-07-28", "2026-07-28 with progress"];

export interface McpFigures {
  readonly era: Era;
  readonly waits: number;
  /** Resident memory of the adapter for each wait that is parked there, and of the gateway that it came through. */
  readonly adapterBytes: number;
  readonly gatewayBytes: number;
  /** From the first answer that is sent until the last agent has its own; milliseconds. */
  readonly answeredMs: number;
  /** Agents that got the answer to their own question: as many as waited, or something was lost or mixed up. */
  readonly answered: number;
}

/** Measures `count` waits at once of each era, on one adapter behind one gateway. */
export async function measureMcp(count: number, eras: readonly Era[] = ERAS): Promise<McpFigures[]> {
  await using deployment = await startDistributed({ replicas: { "mcp-adapter": 1 } });
  const figures: McpFigures[] = [];
  for (const era of eras) figures.push(await measureEra(deployment, era, count));
  return figures;
}

async function measureEra(deployment: Distributed, era: Era, count: number): Promise<McpFigures> {
  const adapter = processOf(deployment, "mcp-adapter");
  const gateway = processOf(deployment, "gateway");
  for (const each of [adapter, gateway]) {
    await each.kill();
    await each.restart();
  }
  const agents = new Agents(deployment, era);
  const first = await agents.park(WARM_UP);
  await agents.answer(first);
  const before = await Promise.all([adapter, gateway].map(residentBytes));
  const waits = await agents.park(count);
  await pause(SETTLE_MS);
  const after = await Promise.all([adapter, gateway].map(residentBytes));
  const start = performance.now();
  const answered = await agents.answer(waits);
  const answeredMs = Math.round(performance.now() - start);
  agents.close();
  const [adapterBytes, gatewayBytes] = after.map((bytes, index) =>
    Math.round((bytes - before[index]!) / count),
  );
  return {
    era,
    waits: count,
    adapterBytes: adapterBytes!,
    gatewayBytes: gatewayBytes!,
    answeredMs,
    answered,
  };
}

function processOf({ processes }: Distributed, service: ServiceProcess["service"]): ServiceProcess {
  return processes.find((each) => each.service === service)!;
}

interface Wait {
  readonly question: string;
  readonly result: Promise<string>;
}

let asked = 0;

/** Agents of one era: each asks a question of its own and waits for the answer. */
class Agents {
  readonly #deployment: Distributed;
  readonly #era: Era;
  readonly #connections = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

  constructor(deployment: Distributed, era: Era) {
    this.#deployment = deployment;
    this.#era = era;
  }

  /** Resolves when all of them wait. */
  async park(count: number): Promise<Wait[]> {
    const waits: Wait[] = [];
    for (let start = 0; start < count; start += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - start) }, () => {
        asked += 1;
        const question = `Question ${asked}?`;
        return { question, result: this.#ask(question) };
      });
      waits.push(...batch);
      const questions = new Set(batch.map(({ question }) => question));
      while (!(await this.#areOpen(questions))) await pause(50);
    }
    return waits;
  }

  /** Answers each question by its own words, and counts the agents that got their own. */
  async answer(waits: readonly Wait[]): Promise<number> {
    const open = await this.#openSessions(waits.length);
    let got = 0;
    const all = waits.map(async ({ question, result }) => {
      if ((await result).includes(`answer to ${question}`)) got += 1;
    });
    for (let start = 0; start < open.length; start += BATCH) {
      await Promise.all(
        open.slice(start, start + BATCH).map(({ id, body }) =>
          this.#session("AnswerSession", {
            sessionId: id,
            requestId: `answer-${id}`,
            value: { text: { text: `answer to ${body}` } },
          }),
        ),
      );
    }
    await Promise.all(all);
    return got;
  }

  close(): void {
    this.#connections.destroy();
  }

  async #areOpen(questions: ReadonlySet<string>): Promise<boolean> {
    const newest = await this.#session("ListSessions", { pageSize: BATCH });
    return (newest.sessions ?? []).filter(({ body }) => questions.has(body)).length === questions.size;
  }

  async #openSessions(count: number): Promise<{ id: string; body: string }[]> {
    const found: { id: string; body: string }[] = [];
    for (let pageToken = ""; found.length < count; ) {
      const page = await this.#session("ListSessions", {
        filter: { states: ["STATE_OPEN"] },
        pageSize: 200,
        pageToken,
      });
      found.push(...(page.sessions ?? []));
      pageToken = page.nextPageToken ?? "";
      if (pageToken === "") break;
    }
    return found;
  }

  async #session(
    method: string,
    request: object,
  ): Promise<{ sessions?: { id: string; body: string }[]; nextPageToken?: string }> {
    const { url } = processOf(this.#deployment, "session");
    const response = await fetch(`${url}/hil.session.v1.SessionService/${method}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#deployment.ownerKey}`,
        "content-type": "application/json",
      },
      body: JSON.stringify(request),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** One call of a tool; resolves to all that came back. */
  #ask(question: string): Promise<string> {
    const modern = this.#era !== "2025-11-25";
    const meta = {
      ...(modern
        ? {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
          }
        : {}),
      ...(this.#era === "2026-07-28 with progress" ? { progressToken: 1 } : {}),
    };
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name: "send_and_wait_reply",
        arguments: { message: question, request_id: question },
        _meta: meta,
      },
    });
    return new Promise((resolve, reject) => {
      const request = http.request(`${this.#deployment.url}/mcp?slice_seconds=${SLICE_S}`, {
        method: "POST",
        agent: this.#connections,
        headers: {
          authorization: `Bearer ${this.#deployment.ownerKey}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(modern
            ? {
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "tools/call",
                "mcp-name": "send_and_wait_reply",
              }
            : {}),
        },
      });
      request.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve(text));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  }
}

/** Prints how much agents that wait through MCP take. */
export async function benchMcp({ parked }: { parked: number }): Promise<void> {
  const figures = await measureMcp(parked);
  const row = (...cells: (string | number)[]) =>
    console.log(
      cells.map((cell, index) => (index === 0 ? `${cell}`.padEnd(26) : `${cell}`.padStart(14))).join(""),
    );
  row("waits at once", "adapter B/wait", "gateway B/wait", "all answered", "right answers");
  for (const { era, waits, adapterBytes, gatewayBytes, answeredMs, answered } of figures) {
    row(era, adapterBytes, gatewayBytes, `${answeredMs} ms`, `${answered}/${waits}`);
  }
}
