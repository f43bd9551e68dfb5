// npm run test:compose: builds the image, starts docker-compose.yml under a name and on a port of its own, and has one
// deployment's day in a minute: the owner signs in by the link in the log, an agent asks by RPC, a person answers
// through REST, another in the console, and a replica of the session service dies under waits. Leaves nothing behind.
//
// Not part of npm test, which needs no Docker.

import { execFileSync } from "node:child_process";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { freePort } from "../servers/free-port.ts";
import { createStack, findCompose, type Stack } from "./docker.ts";

const READY_PATIENCE_MS = 180_000;
const WAITS = 8;

const began = performance.now();
const tell = (text: string) =>
  console.log(`${`${((performance.now() - began) / 1000).toFixed(1)} s`.padStart(8)}  ${text}`);

try {
  const port = await freePort();
  const stack = createStack(findCompose(), `hil-smoke-${process.pid}`, {
    HIL_PUBLISH: `127.0.0.1:${port}`,
    HIL_RELAY_PUBLISH: `127.0.0.1:${await freePort()}`,
    HIL_PUBLIC_URL: `http://127.0.0.1:${port}`,
  });
  process.once("SIGINT", () => void stack.run("down", "--volumes").finally(() => process.exit(130)));
  try {
    await stack.run("build", "setup"); // all services run this image
    tell("the image is built");
    await stack.run("up", "--detach");
    await day(stack, `http://127.0.0.1:${port}`);
  } catch (error) {
    await stack.run("logs", "--tail=30").catch(() => {}); // what went wrong is thrown on
    throw error;
  } finally {
    await stack.run("down", "--volumes", "--timeout=12");
  }
  tell("all of it holds");
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

async function day(stack: Stack, url: string): Promise<void> {
  await until("the gateway is ready", async () => (await fetch(`${url}/readyz`)).ok);
  const ownerKey = await until(
    "the owner key is in the log of access",
    () => /hil_owner_[\w-]+/.exec(stack.logs("access"))?.[0],
  );
  const link = /\/login#([\w-]+)/.exec(stack.logs("access"))?.[1];
  expect("the link in the log signs a browser in", (await signIn(url, link ?? "")) !== undefined);

  const fresh = stack.exec("gateway", "node", "cli/main.ts", "sign-in");
  expect("hil sign-in in the gateway's container makes another", fresh.includes("/login#"));

  const owner = { authorization: `Bearer ${ownerKey}` };
  const access = createClient(AccessService, transport(url, owner));
  const agentKey = (await access.createApiKey({ name: "agent" })).secret;
  const personKey = (await access.createApiKey({ name: "person", roles: [Role.RESPONDER] })).secret;
  const agent = createClient(SessionService, transport(url, { authorization: `Bearer ${agentKey}` }));

  const first = await ask(agent, "Deploy build 214?");
  const waiting = ended(agent, first);
  const response = await fetch(`${url}/api/sessions/${first}/respond`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${personKey}` },
    body: JSON.stringify({ response: { choice: "yes" } }),
  });
  expect(`a person answers through REST (${response.status} ${await response.text()})`, response.ok);
  expect("the agent that waits is told", (await waiting) === Session_State.ANSWERED);

  const { member } = await access.createMember({ name: "Li Lei" });
  const { token } = await access.createSignInLink({ memberId: member!.id });
  const cookie = await signIn(url, token);
  const console_ = createClient(SessionService, transport(url, { cookie: cookie ?? "", origin: url }));
  const second = await ask(agent, "Deploy build 215?");
  const waits = Array.from({ length: WAITS }, () => ended(agent, second));
  // On the same connections as the waits, and so behind them, to one replica after the other.
  for (let n = 0; n < 2; n++) await agent.getSession({ sessionId: second });
  const replicas = stack.containers("session");
  expect(`two replicas of session serve (${replicas.length})`, replicas.length === 2);
  execFileSync("docker", ["kill", replicas[0]!], { stdio: "ignore" });
  tell("one replica of session was killed");
  await console_.answerSession({
    sessionId: second,
    requestId: "smoke",
    value: { kind: { case: "confirmation", value: { value: "yes" } } },
  });
  const ends = await Promise.all(waits);
  expect(
    "another person answers in the console, and all who wait are told",
    ends.every((state) => state === Session_State.ANSWERED),
  );
}

async function ask(agent: Client<typeof SessionService>, title: string): Promise<string> {
  const { session } = await agent.createSession({
    requestId: title,
    projectName: "smoke",
    title,
    interaction: { kind: { case: "confirmation", value: {} } },
  });
  return session!.id;
}

/** Waits for the end in one call: what breaks on the way is the gateway's to mend. */
async function ended(agent: Client<typeof SessionService>, sessionId: string) {
  const { session } = await agent.waitSession({ sessionId, untilEnded: true, wait: { seconds: 60n } });
  return session?.state;
}

/** The console's cookie; undefined where the link does not work. */
async function signIn(url: string, token: string): Promise<string | undefined> {
  const { ok, headers } = await fetch(`${url}/api/console/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ token }),
  });
  return ok ? headers.getSetCookie()[0]?.split(";", 1)[0] : undefined;
}

function transport(baseUrl: string, headers: Record<string, string>) {
  const withHeaders: Interceptor = (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
  return createConnectTransport({ httpVersion: "2", baseUrl, interceptors: [withHeaders] });
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const end = Date.now() + READY_PATIENCE_MS; Date.now() < end; ) {
    const found = await Promise.resolve()
      .then(look)
      .catch(() => undefined);
    if (found) {
      tell(what);
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`never came true: ${what}`);
}

function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
  tell(what);
}
