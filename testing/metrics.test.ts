// What a deployment tells Prometheus while questions go through it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "./fake-wecom/fake-wecom.ts";
import { type ServerProcess, startEmbeddedProcess } from "./processes/start-process.ts";

const OWNER_KEY = "hil_owner_test_0123456789abcdef0123456789";
const CHAT = "wrk-measured";
const PROJECT = "measured-project";
const headers = { authorization: `Bearer ${OWNER_KEY}` };

let dataDir: string;
let wecom: FakeWecom;
let server: ServerProcess;
const url = () => `http://127.0.0.1:${server.port}`;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-metrics-"));
  wecom = await startFakeWecom({ key: "robot-key" });
  server = await startEmbeddedProcess({
    HIL_DATA_DIR: dataDir,
    HIL_OWNER_KEY: OWNER_KEY,
    BOT_KEY: "robot-key",
    WECOM_API_URL: wecom.url,
  });
  wecom.callbackUrl = `${url()}/k/${OWNER_KEY}/api/callback`;
}, 60_000);
afterAll(async () => {
  await server?.kill();
  await wecom?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const sessions = () =>
  createClient(SessionService, createConnectTransport({ httpVersion: "2", baseUrl: url() }));
const scrape = async () => (await fetch(`${url()}/metrics`, { headers })).text();
/** A figure, by its name with its labels. */
const figure = (text: string, name: string) => {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
};
const until = (name: string, value: number) =>
  vi.waitFor(async () => expect(figure(await scrape(), name), name).toBe(value), { timeout: 20_000 });
const ask = async (chatId?: string) => {
  const { session } = await sessions().createSession(
    {
      body: "?",
      projectName: PROJECT,
      interaction: { kind: { case: "text", value: {} } },
      audience: { targets: chatId === undefined ? [] : [{ chatId }] },
    },
    { headers },
  );
  return session!;
};

test("a question's way shows: open, delivered, waited for, answered", async () => {
  const session = await ask(CHAT);
  await until("hil_open_sessions", 1);
  await until('hil_delivery_attempts_total{channel_kind="wecom_robot",outcome="delivered"}', 1);
  const waiting = sessions().waitSession(
    { sessionId: session.id, untilEnded: true, wait: { seconds: 60n } },
    { headers },
  );
  await until("hil_waits", 1);
  await wecom.person.reply({ chatid: CHAT, text: `#${session.shortId} yes` });
  await waiting;
  await until('hil_sessions_ended_total{outcome="answered"}', 1);
  const text = await scrape();
  expect(figure(text, "hil_time_to_answer_seconds_count")).toBe(1);
  expect(figure(text, "hil_open_sessions")).toBe(0);
  expect(figure(text, "hil_waits")).toBe(0);
  await until('hil_outbox_lag{consumer="delivery"}', 0);
  await until("hil_inbox_pending", 0);
  await until("hil_inbox_age_seconds", 0);
  const created = '{service="hil.session.v1.SessionService",method="CreateSession",code="ok"}';
  expect(figure(text, `hil_rpc_calls_total${created}`)).toBe(1);
  expect(figure(text, "hil_audit_checkpoints_total")).toBeGreaterThan(0);
});

test("I6: none of it names a tenant, a chat, a project, a person or a session", async () => {
  const session = await ask(CHAT);
  const text = await scrape();
  for (const name of [CHAT, PROJECT, "_default", session.id, session.shortId, OWNER_KEY, "robot-key"]) {
    expect(text, name).not.toContain(name);
  }
});

test("a reply to a question that its chat was not asked is counted, and so is a question that is taken back", async () => {
  const session = await ask();
  await wecom.person.reply({ chatid: CHAT, text: `#${session.shortId} yes` });
  await until("hil_refused_tags_total", 1);
  await sessions().cancelSession({ sessionId: session.id }, { headers });
  await until('hil_sessions_ended_total{outcome="cancelled"}', 1);
});

test("without a key nothing is told where the owner key is preset; probes answer everybody", async () => {
  expect((await fetch(`${url()}/metrics`)).status).toBe(401);
  expect((await fetch(`${url()}/healthz`)).status).toBe(200);
  const ready = await fetch(`${url()}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: "ready", service: "hil", missing: [], impaired: [] },
  ]);
});
