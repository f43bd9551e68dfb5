// How each face says that a caller asks too much, or may not ask.

import {
  type Client,
  Code,
  type ConnectError,
  createClient,
  createRouterTransport,
} from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { hilError, reasonName } from "@hil/platform/errors/hil-error.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { expect, test } from "vitest";
import { messageRoutes } from "./message-face/routes.ts";
import { textsOf } from "./message-face/texts.ts";
import { restError } from "./rest-error.ts";
import type { Answer, Call, Route } from "./route-table.ts";
import { workflowRoutes } from "./workflow-face/routes.ts";

const id = "018f0000-0000-7000-8000-000000000000";

/** A session service that refuses everything. */
function refusing(error: ConnectError): Client<typeof SessionService> {
  const refuse = () => {
    throw error;
  };
  return createClient(
    SessionService,
    createRouterTransport(({ service }) =>
      service(SessionService, {
        createSession: refuse,
        waitSession: refuse,
        expireSession: refuse,
        listSessions: refuse,
        getSession: refuse,
        getStatistics: refuse,
      }),
    ),
  );
}

function faces(error: ConnectError): readonly Route[] {
  const sessions = refusing(error);
  const delivery = createClient(
    DeliveryService,
    createRouterTransport(() => {}),
  );
  const texts = textsOf("en");
  return [
    ...messageRoutes({ sessions, delivery, ownCredential: {}, texts, log: silentLog }),
    ...workflowRoutes({ sessions }),
  ];
}

async function ask(error: ConnectError, method: string, pattern: string, body: object = {}): Promise<Answer> {
  const route = faces(error).find((each) => each.method === method && each.pattern === pattern)!;
  const call: Call = {
    underApi: true,
    id: pattern.includes("{id}") ? id : "",
    query: new URLSearchParams(),
    headers: {},
    credential: {},
    body: { bytes: async () => Buffer.alloc(0), json: async () => body },
    signal: new AbortController().signal,
  };
  try {
    return await route.handle(call);
  } catch (thrown) {
    return restError(thrown); // as the gateway does
  }
}

const exhausted = (reason: ErrorReason) =>
  hilError(Code.ResourceExhausted, reason, "too much", { retry_after_ms: "1500" });
const denied = (reason: ErrorReason) => hilError(Code.PermissionDenied, reason, "not for you");
const question = { message: "m", chat_id: "c" };

test.each([ErrorReason.RATE_LIMITED, ErrorReason.QUOTA_EXCEEDED, ErrorReason.OVERLOADED])(
  "%s is 429 with the time to come back, in the form of each face",
  async (reason) => {
    const error = exhausted(reason);
    const headers = { "retry-after": "2" };
    for (const [method, pattern] of [
      ["GET", "/poll/{id}"],
      ["POST", "/session/{id}/timeout"],
    ] as const) {
      const detail = `too much (${reasonName(reason)})`;
      expect(await ask(error, method, pattern)).toEqual({ status: 429, body: { detail }, headers });
    }
    for (const [method, pattern] of [
      ["GET", "/sessions"],
      ["GET", "/sessions/{id}"],
      ["GET", "/statistics"],
    ] as const) {
      const body = { error: "too much", reason: reasonName(reason) };
      expect(await ask(error, method, pattern)).toEqual({ status: 429, body, headers });
    }
  },
);

test("sending is refused with 200 and words, whatever it is: old clients show their agent nothing else", async () => {
  for (const error of [exhausted(ErrorReason.QUOTA_EXCEEDED), denied(ErrorReason.TENANT_SUSPENDED)]) {
    expect(await ask(error, "POST", "/send", question)).toMatchObject({
      status: 200,
      body: {
        success: false,
        session_id: null,
        message: "",
        error: expect.stringContaining(error.rawMessage),
      },
    });
  }
  const limited = await ask(exhausted(ErrorReason.RATE_LIMITED), "POST", "/send", question);
  expect(limited.headers).toEqual({ "retry-after": "2" });
});

test.each([
  ErrorReason.TENANT_SUSPENDED,
  ErrorReason.TENANT_MISMATCH,
  ErrorReason.SCOPE_MISSING,
  ErrorReason.CHAT_NOT_ALLOWED,
])("%s is 403 with the reason, in the form of each face", async (reason) => {
  const error = denied(reason);
  expect(await ask(error, "GET", "/poll/{id}")).toMatchObject({
    status: 403,
    body: { detail: `not for you (${reasonName(reason)})` },
  });
  expect(await ask(error, "GET", "/sessions")).toMatchObject({
    status: 403,
    body: { error: "not for you", reason: reasonName(reason) },
  });
});

test("trap 2: a service that cannot now, or a full disk, is 503 to pollers", async () => {
  for (const error of [
    hilError(Code.Unavailable, ErrorReason.NOT_READY, "starting"),
    hilError(Code.ResourceExhausted, ErrorReason.STORAGE_UNAVAILABLE, "full"),
  ]) {
    expect(await ask(error, "GET", "/poll/{id}")).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
    });
  }
});
