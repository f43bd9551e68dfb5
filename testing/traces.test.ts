// One trace from the ask to the answer, over the borders of services and processes, as a collector gets it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterEach, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "./fake-wecom/fake-wecom.ts";
import { startDistributed } from "./processes/start-distributed.ts";
import { startEmbeddedProcess } from "./processes/start-process.ts";
import { type CollectedSpan, type Collector, startCollector } from "./traces/collector.ts";

vi.setConfig({ testTimeout: 180_000 });

const CHAT = "wrk-traced";
const SECRET = "are the missiles to be fired";
const ASK_TRACE = "0af7651916cd43dd8448eb211c80319c";
const ASK_SPAN = "b7ad6b7169203331";

const closers: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const stack of closers.splice(0)) await stack.disposeAsync();
});

async function start(form: "embedded" | "distributed") {
  const stack = new AsyncDisposableStack();
  closers.push(stack);
  const collector = stack.use(await startCollector());
  const wecom = stack.use(await startFakeWecom({ key: "robot-key" }));
  const environment = {
    BOT_KEY: "robot-key",
    WECOM_API_URL: wecom.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
  if (form === "distributed") {
    const { url, ownerKey, processes } = stack.use(await startDistributed({ environment }));
    return { url, ownerKey, collector, wecom, processes };
  }
  const dataDir = mkdtempSync(join(tmpdir(), "hil-traces-"));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const ownerKey = "hil_owner_test_0123456789abcdef0123456789";
  const { port } = stack.use(
    await startEmbeddedProcess({ ...environment, HIL_DATA_DIR: dataDir, HIL_OWNER_KEY: ownerKey }),
  );
  return { url: `http://127.0.0.1:${port}`, ownerKey, collector, wecom, processes: [] };
}

/** Asks in a chat with a place in a trace, and has a person answer there. */
async function askAndAnswer(url: string, ownerKey: string, wecom: FakeWecom) {
  wecom.callbackUrl = `${url}/k/${ownerKey}/api/callback`;
  const sessions = createClient(SessionService, createConnectTransport({ httpVersion: "2", baseUrl: url }));
  const headers = { authorization: `Bearer ${ownerKey}`, traceparent: `00-${ASK_TRACE}-${ASK_SPAN}-01` };
  const { session } = await sessions.createSession(
    {
      body: SECRET,
      interaction: { kind: { case: "text", value: {} } },
      audience: { targets: [{ chatId: CHAT }] },
    },
    { headers },
  );
  const waiting = sessions.waitSession(
    { sessionId: session!.id, untilEnded: true, wait: { seconds: 60n } },
    { headers },
  );
  const quote = await wecom.waitForMessage(({ text }) => text.includes(session!.shortId), 60_000);
  await wecom.person.reply({ chatid: CHAT, text: "go ahead", quote });
  expect((await waiting).session?.state).toBe(Session_State.ANSWERED);
  return session!;
}

const named = (name: string) => (span: CollectedSpan) =>
  span.traceId === ASK_TRACE && span.name.endsWith(name);

async function spansOfAsk(collector: Collector, services: { session: string; delivery: string }) {
  const of = (service: string, name: string) =>
    collector.waitFor(`${service} ${name}`, (span) => span.service === service && named(name)(span));
  return {
    created: await of(services.session, "SessionService/CreateSession"),
    delivered: await of(services.delivery, "DeliveryService/Deliver"),
    submitted: await of(services.session, "SessionService/SubmitReply"),
    updated: await of(services.delivery, "DeliveryService/UpdateDelivered"),
    waited: await of(services.session, "SessionService/WaitSession"),
  };
}

test("in one process: ask, delivery, reply and end are one trace, each below what caused it", async () => {
  const { url, ownerKey, collector, wecom } = await start("embedded");
  const session = await askAndAnswer(url, ownerKey, wecom);
  expect(session.traceparent).toMatch(new RegExp(`^00-${ASK_TRACE}-[0-9a-f]{16}-01$`));
  const spans = await spansOfAsk(collector, { session: "hil", delivery: "hil" });
  expect(spans.created.parentSpanId).toBe(ASK_SPAN);
  expect(spans.waited.parentSpanId).toBe(ASK_SPAN);
  expect(session.traceparent).toContain(spans.created.spanId);
  for (const later of [spans.delivered, spans.submitted, spans.updated]) {
    expect(later.parentSpanId, later.name).toBe(spans.created.spanId);
  }
  expect(collector.text, "I12").not.toMatch(new RegExp(`${SECRET}|${ownerKey}|go ahead|${CHAT}`));
});

test("over processes: the gateway's span stands between the asker's and the service's, and each tells its metrics", async () => {
  const { url, ownerKey, collector, wecom, processes } = await start("distributed");
  await askAndAnswer(url, ownerKey, wecom);
  const spans = await spansOfAsk(collector, { session: "hil-session", delivery: "hil-delivery" });
  const handedOn = await collector.waitFor(
    "the gateway's part",
    (span) => span.service === "hil-gateway" && named("SessionService/CreateSession")(span),
  );
  expect(handedOn.parentSpanId).toBe(ASK_SPAN);
  expect(spans.created.parentSpanId).toBe(handedOn.spanId);
  for (const later of [spans.delivered, spans.submitted, spans.updated]) {
    expect(later.parentSpanId, later.name).toBe(spans.created.spanId);
  }
  const vendor = await collector.waitFor(
    "the vendor's call",
    (span) => span.service === "hil-gateway" && span.name === "HTTP POST",
  );
  const kept = await collector.waitFor(
    "the vendor's call at the inbox",
    (span) => span.service === "hil-callback" && span.parentSpanId === vendor.spanId,
  );
  expect(kept.traceId).toBe(vendor.traceId);

  for (const { name, url: process } of processes) {
    expect((await fetch(`${process}/metrics`)).status, name).toBe(401);
    const told = await fetch(`${process}/metrics`, { headers: { authorization: `Bearer ${ownerKey}` } });
    expect(await told.text(), name).toMatch(/^hil_storage_errors_total 0$/m);
  }
});

test("an answer through an RPC names the ask in its own trace", async () => {
  const { url, ownerKey, collector } = await start("embedded");
  const sessions = createClient(SessionService, createConnectTransport({ httpVersion: "2", baseUrl: url }));
  const headers = { authorization: `Bearer ${ownerKey}` };
  const { session } = await sessions.createSession(
    { body: "?", interaction: { kind: { case: "text", value: {} } } },
    { headers: { ...headers, traceparent: `00-${ASK_TRACE}-${ASK_SPAN}-01` } },
  );
  const value = { kind: { case: "text", value: { text: "yes" } } } as const;
  await sessions.answerSession({ sessionId: session!.id, requestId: "click", value }, { headers });
  const answered = await collector.waitFor("the answer", ({ name }) => name.endsWith("/AnswerSession"));
  expect(answered.traceId).not.toBe(ASK_TRACE);
  expect(answered.links).toEqual([session!.traceparent.split("-")[2]]);
});
