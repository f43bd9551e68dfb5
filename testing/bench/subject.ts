// What is measured: something that opens a question, answers it and wakes whoever waits.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnswerValueSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import {
  AnswerSessionRequestSchema,
  CreateSessionRequestSchema,
  WaitSessionRequestSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { startDistributed } from "../processes/start-distributed.ts";
import { startEmbeddedProcess, startProcess } from "../processes/start-process.ts";
import { freePort } from "../servers/free-port.ts";
import { RawClient } from "./raw-client.ts";

export interface Subject extends AsyncDisposable {
  readonly name: string;
  /** Opens a question; resolves with its id once it is on disk. */
  ask(): Promise<string>;
  answer(id: string): Promise<void>;
  /** Resolves when the question is answered. */
  wait(id: string): Promise<void>;
  /** The resident memory in bytes of all processes that a wait goes through, after they collected their garbage. */
  memory(): Promise<number>;
}

/** HIL, with what its processes can be asked and told. */
export interface HilSubject extends Subject {
  /** As wait and answer, each at a replica of its own. Absent where there is one process. */
  readonly acrossReplicas?: Pick<Subject, "wait" | "answer">;
  /** The resident memory in bytes of each process that keeps waits, as it stands. */
  waitingProcesses(): number[];
  /** Kills every process that keeps waits, and starts it again. Calls under way fail. */
  restart(): Promise<void>;
}

/** Of requests of this process, which outlives its servers. */
let asked = 0;

const QUESTION = "Deploy build 214 to production? ".repeat(8); // 256 bytes
const ANSWER = "yes";
const UUID_LENGTH = 36;
/** Field 1, length-delimited, 36 bytes: how an id begins on the wire. */
const ID_OF_UUID = Buffer.from([0x0a, UUID_LENGTH]);

/** A request whose field 1 is an id of at most 127 bytes. */
function withId(id: string, rest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0x0a, id.length]), Buffer.from(id, "latin1"), rest]);
}

/** The bare server of floor-server.ts. */
export async function startFloor(): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), "hil-bench-floor-"));
  const server = await startProcess(join(import.meta.dirname, "floor-server.ts"), [join(folder, "log")], {});
  const client = new RawClient(`http://127.0.0.1:${server.port}`);
  const question = Buffer.from(QUESTION);
  const answer = Buffer.from(ANSWER);
  return {
    name: "floor",
    ask: async () => (await client.post("/create", question)).toString("hex"),
    answer: async (id) => {
      await client.post("/answer", Buffer.concat([Buffer.from(id, "hex"), answer]));
    },
    wait: async (id) => {
      await client.post("/wait", Buffer.from(id, "hex"));
    },
    memory: () => residentBytes(server),
    async [Symbol.asyncDispose]() {
      client.close();
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** HIL as `npm start` runs it, spoken to over its network API: Connect with protobuf on HTTP/2. */
export async function startEmbeddedHil(): Promise<HilSubject> {
  const folder = mkdtempSync(join(tmpdir(), "hil-bench-"));
  const ownerKey = "hil_owner_bench_0123456789abcdef0123456789";
  const port = await freePort();
  const start = () =>
    startEmbeddedProcess({ HIL_DATA_DIR: folder, HIL_OWNER_KEY: ownerKey, HIL_PORT: String(port) });
  const call = () => sessionCalls(`http://127.0.0.1:${port}`, ownerKey);
  let server = await start();
  let calls = call();
  return {
    name: "HIL",
    ask: () => calls.ask(),
    answer: (id) => calls.answer(id),
    wait: (id) => calls.wait(id),
    memory: () => residentBytes(server),
    waitingProcesses: () => [currentBytes(server.pid)],
    async restart() {
      await server.kill();
      calls.close();
      server = await start();
      calls = call();
    },
    async [Symbol.asyncDispose]() {
      calls.close();
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A process for each service, two of the session service, PostgreSQL and NATS, spoken to through the gateway. */
export async function startDistributedHil(): Promise<HilSubject> {
  const deployment = await startDistributed({ replicas: { session: 2 } });
  const calls = sessionCalls(deployment.url, deployment.ownerKey);
  const replicas = deployment.processes.filter(({ service }) => service === "session");
  const [one, other] = replicas.map(({ url }) => sessionCalls(url, deployment.ownerKey));
  const gateways = deployment.processes.filter(({ service }) => service === "gateway");
  return {
    name: "HIL",
    ...calls,
    acrossReplicas: { wait: one!.wait, answer: other!.answer },
    memory: async () =>
      (await Promise.all([...replicas, ...gateways].map(residentBytes))).reduce((sum, each) => sum + each, 0),
    waitingProcesses: () => replicas.map(({ pid }) => currentBytes(pid)),
    async restart() {
      await Promise.all(replicas.map((each) => each.kill()));
      await Promise.all(replicas.map((each) => each.restart()));
    },
    async [Symbol.asyncDispose]() {
      for (const each of [calls, one!, other!]) each.close();
      await deployment[Symbol.asyncDispose]();
    },
  };
}

/** The calls of a cycle over the network API of one address. */
function sessionCalls(url: string, ownerKey: string) {
  const client = new RawClient(url, {
    "content-type": "application/proto",
    authorization: `Bearer ${ownerKey}`,
  });
  const path = "/hil.session.v1.SessionService";
  // Requests are put together from parts that are encoded once, and answers are looked at as bytes, so that the
  // client costs what the floor's does. The first field of each request is its id.
  const question = toBinary(
    CreateSessionRequestSchema,
    create(CreateSessionRequestSchema, {
      projectName: "bench",
      body: QUESTION,
      interaction: { kind: { case: "text", value: {} } },
    }),
  );
  const answer = toBinary(
    AnswerSessionRequestSchema,
    create(AnswerSessionRequestSchema, {
      requestId: "answer",
      value: { kind: { case: "text", value: { text: ANSWER } } },
    }),
  );
  const patience = toBinary(
    WaitSessionRequestSchema,
    create(WaitSessionRequestSchema, { untilEnded: true, wait: { seconds: 600n } }),
  );
  const answered = Buffer.from(
    toBinary(
      AnswerValueSchema,
      create(AnswerValueSchema, { kind: { case: "text", value: { text: ANSWER } } }),
    ),
  );
  return {
    async ask(): Promise<string> {
      const response = await client.post(`${path}/CreateSession`, withId(`ask-${++asked}`, question));
      // CreateSessionResponse.session.id: both are the first fields of their messages.
      const start = response.indexOf(ID_OF_UUID) + ID_OF_UUID.length;
      return response.toString("latin1", start, start + UUID_LENGTH);
    },
    async answer(id: string): Promise<void> {
      await client.post(`${path}/AnswerSession`, withId(id, answer));
    },
    async wait(id: string): Promise<void> {
      const response = await client.post(`${path}/WaitSession`, withId(id, patience));
      if (!response.includes(id) || !response.includes(answered)) {
        throw new Error(`session ${id} came back without its answer`);
      }
    },
    close: () => client.close(),
  };
}

/** Resident memory as the system counts it, without what a collection frees. */
export async function residentBytes(server: { pid: number; collectGarbage(): void }): Promise<number> {
  server.collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  return currentBytes(server.pid);
}

function currentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
