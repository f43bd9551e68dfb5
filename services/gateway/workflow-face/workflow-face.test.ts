import { randomUUID } from "node:crypto";
import { Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { type RunningGateway, startGateway } from "../testing/running-gateway.ts";

// biome-ignore lint/suspicious/noExplicitAny: what programs read is JSON of any shape
type Json = any;

async function call(gateway: RunningGateway, method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${gateway.ownerKey}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

const confirmation = {
  interaction_type: "confirmation",
  title: "Delete",
  message: "Really delete the file?",
  options: [
    { value: "confirm", label: "确认删除" },
    { value: "cancel", label: "取消" },
  ],
  default_value: "cancel",
  timeout: 300,
};
const selection = {
  interaction_type: "selection",
  title: "Where",
  message: "Choose",
  options: ["dev", "test", "prod"],
  multiple: true,
};
const text = { interaction_type: "text_input", title: "Why", message: "Say why" };

async function open(gateway: RunningGateway, data: unknown, more = {}): Promise<string> {
  const { status, body } = await call(gateway, "POST", "/api/sessions", { interaction_data: data, ...more });
  expect(status, JSON.stringify(body)).toBe(200);
  return body.session_id;
}

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);

test("trap 6: opening answers exactly 200, with every key of the session and without a response", async () => {
  await using gateway = await startGateway();
  const { status, body } = await call(gateway, "POST", "/api/sessions", {
    interaction_data: confirmation,
    workflow_id: "wf-1",
  });
  expect(status).toBe(200);
  expect(body).toEqual({
    success: true,
    session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    session: {
      session_id: body.session_id,
      workflow_id: "wf-1",
      callback_url: null,
      status: "pending",
      created_at: ISO,
      updated_at: ISO,
      expires_at: ISO,
      error_message: null,
      interaction_data: {
        ...confirmation,
        fields: null,
        multiple: false,
        accept_types: null,
        max_file_size: null,
      },
    },
  });
  expect("response" in body.session).toBe(false);
});

test("trap 7: times carry +00:00 and name the same instants as the session", async () => {
  await using gateway = await startGateway();
  const id = await open(gateway, confirmation);
  const { body } = await call(gateway, "GET", `/api/sessions/${id}`);
  const { session } = await gateway.sessions.getSession({ sessionId: id });
  expect(Date.parse(body.session.created_at)).toBe(
    Number(session!.createTime!.seconds) * 1000 + session!.createTime!.nanos / 1e6,
  );
});

test("the forms of every earlier client open the same session", async () => {
  await using gateway = await startGateway();
  const bodies = [
    { interaction_data: { ...text, title: "T", message: "M" } },
    { interaction_data: { type: "text_input", title: "T", message: "M" } },
    { interaction_type: "text_input", title: "T", description: "M" },
    { interaction_type: "input", title: "T", message: "M", context: { branch: "main", build: 214 } },
    { type: "text_input", title: "T", message: "M", fields: [], callback_url: "", options: null },
  ];
  for (const body of bodies) {
    const answer = await call(gateway, "POST", "/api/sessions", body);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.body.session.interaction_data).toMatchObject({
      interaction_type: "text_input",
      title: "T",
      message: "M",
      timeout: 300,
    });
  }
  const flat = await call(gateway, "POST", "/api/sessions", {
    type: "confirmation",
    title: "T",
    message: "M",
    options: ["确认", "取消"],
    default: "取消",
    timeout: 60,
  });
  expect(flat.body.session.interaction_data).toMatchObject({
    options: [
      { value: "确认", label: "确认" },
      { value: "取消", label: "取消" },
    ],
    default_value: "取消",
    timeout: 60,
  });
});

test("an answer is read back in the form in which the page gives it", async () => {
  await using gateway = await startGateway();
  const cases: [unknown, unknown, unknown][] = [
    [confirmation, { choice: "confirm" }, { choice: "confirm" }],
    [confirmation, "confirm", { choice: "confirm" }],
    [confirmation, { choice: "confirm", comment: "careful" }, { choice: "confirm", comment: "careful" }],
    [{ ...confirmation, options: null, default_value: null }, { choice: "cancel" }, { choice: "cancel" }],
    [selection, { selection: ["dev", "prod"] }, { selection: ["dev", "prod"] }],
    [selection, { selection: "dev" }, { selection: ["dev"] }],
    [{ ...selection, multiple: false }, { selection: "test" }, { selection: "test" }],
    [
      { ...selection, options: [{ value: 1 }, { value: 2 }], multiple: false },
      { selection: 2 },
      { selection: "2" },
    ],
    [{ ...selection, options: ["only"] }, { selection: ["only"] }, { selection: ["only"] }],
    [text, { text: "because" }, { text: "because" }],
    [text, "because", { text: "because" }],
    [text, { reason_field: "because" }, { text: "because" }],
    [text, 7, { text: "7" }],
  ];
  for (const [data, response, readBack] of cases) {
    const id = await open(gateway, data);
    const answered = await call(gateway, "POST", `/api/sessions/${id}/respond`, {
      response,
      user_id: "lina",
    });
    expect(answered, JSON.stringify(response)).toEqual({
      status: 200,
      body: { success: true, message: "响应已提交" },
    });
    const expected = { session_id: id, response_data: readBack, submitted_at: ISO, user_id: "lina" };
    const { body } = await call(gateway, "GET", `/api/sessions/${id}`);
    expect(body.session).toMatchObject({ status: "completed", response: expected });
    const status = await call(gateway, "GET", `/api/sessions/${id}/status`);
    expect(status.body).toEqual({
      success: true,
      session_id: id,
      status: "completed",
      response: expected,
      expires_at: ISO,
    });
  }
});

test("choosing an option that says no refuses what was asked", async () => {
  await using gateway = await startGateway();
  for (const value of ["cancel", "No", "REJECT", "取消", "否", "false"]) {
    const id = await open(gateway, { ...confirmation, options: ["ok", value], default_value: null });
    await call(gateway, "POST", `/api/sessions/${id}/respond`, { response: { choice: value } });
    const { session } = await gateway.sessions.getSession({ sessionId: id });
    expect(session!.outcome, value).toBe(Session_Outcome.REJECTED);
  }
});

test("the deadline gives the default value, and the status says that it did", async () => {
  await using gateway = await startGateway();
  const id = await open(gateway, { ...confirmation, timeout: 0.2 });
  await expect
    .poll(async () => (await call(gateway, "GET", `/api/sessions/${id}/status`)).body.status, {
      timeout: 5000,
    })
    .toBe("timeout");
  const { body } = await call(gateway, "GET", `/api/sessions/${id}`);
  expect(body.session.response).toMatchObject({ response_data: { choice: "cancel" }, user_id: null });
});

test("a session is cancelled with and without a body, and says why", async () => {
  await using gateway = await startGateway();
  const first = await open(gateway, text);
  expect(await call(gateway, "POST", `/api/sessions/${first}/cancel`)).toEqual({
    status: 200,
    body: { success: true, message: "会话已取消" },
  });
  const second = await open(gateway, text);
  await call(gateway, "POST", `/api/sessions/${second}/cancel`, { reason: "withdrawn" });
  const reasons = [];
  for (const id of [first, second]) {
    const { session } = (await call(gateway, "GET", `/api/sessions/${id}`)).body;
    expect(session.status).toBe("cancelled");
    expect(session.cancellation_reason).toBe(session.error_message);
    reasons.push(session.error_message);
  }
  expect(reasons).toEqual(["用户取消", "withdrawn"]);
});

test("the list has what waits; with workflow_id all of that workflow, newest first", async () => {
  await using gateway = await startGateway();
  const first = await open(gateway, text, { workflow_id: "wf" });
  const second = await open(gateway, text, { workflow_id: "wf" });
  const other = await open(gateway, text);
  await call(gateway, "POST", `/api/sessions/${first}/cancel`);
  const ids = async (path: string) =>
    (await call(gateway, "GET", path)).body.sessions.map((session: Json) => session.session_id);
  expect(await ids("/api/sessions")).toEqual([other, second]);
  expect(await ids("/api/sessions?workflow_id=wf")).toEqual([second, first]);
  expect(await ids("/api/sessions?workflow_id=none")).toEqual([]);
});

test("a list goes over pages, and beyond 1000 says where to go on", async () => {
  await using gateway = await startGateway();
  const interaction = { kind: { case: "text" as const, value: {} } };
  await Promise.all(
    Array.from({ length: 1001 }, (_, index) =>
      gateway.sessions.createSession({ body: `q${index}`, interaction, correlationId: "many" }),
    ),
  );
  const { body } = await call(gateway, "GET", "/api/sessions?workflow_id=many");
  expect(body.sessions.length).toBe(1000);
  const rest = await call(
    gateway,
    "GET",
    `/api/sessions?workflow_id=many&page_token=${body.next_page_token}`,
  );
  expect(rest.body.sessions.length).toBe(1);
  expect(rest.body.next_page_token).toBeUndefined();
});

test("what an asker sends wrong is 400 with a sentence and a reason", async () => {
  await using gateway = await startGateway({ environment: { HIL_MAX_TIMEOUT: "3600" } });
  const bodies: unknown[] = [
    "",
    "{",
    "[]",
    '"x"',
    {},
    { interaction_data: "x" },
    { interaction_data: null },
    { interaction_data: { ...text, interaction_type: "file_upload" } },
    { interaction_data: { ...text, interaction_type: "custom" } },
    { interaction_data: { ...text, interaction_type: "__proto__" } },
    { interaction_data: { ...text, interaction_type: 5 } },
    { interaction_data: { ...text, title: undefined } },
    { interaction_data: { ...text, message: undefined } },
    { interaction_data: { ...text, message: "", title: "" } },
    { interaction_data: { ...text, title: "t".repeat(501) } },
    { interaction_data: { ...text, timeout: "300" } },
    { interaction_data: { ...text, timeout: 0 } },
    { interaction_data: { ...text, timeout: -1 } },
    { interaction_data: { ...text, timeout: 999_999 } },
    { interaction_data: { ...text, timeout: 1e300 } },
    { interaction_data: { ...text, fields: [{ name: "a" }] } },
    { interaction_data: text, callback_url: "http://127.0.0.1/hook" },
    { interaction_data: { ...selection, options: [] } },
    { interaction_data: { ...selection, options: ["a", "a"] } },
    { interaction_data: { ...selection, options: [{ label: "x" }] } },
    { interaction_data: { ...selection, options: ["x".repeat(201)] } },
    { interaction_data: { ...confirmation, default_value: "maybe" } },
    { interaction_data: { ...confirmation, default_value: { a: 1 } } },
    { interaction_data: text, workflow_id: {} },
    { interaction_data: text, workflow_id: "w".repeat(201) },
  ];
  for (const body of bodies) {
    const answer = await call(gateway, "POST", "/api/sessions", body);
    expect(answer, JSON.stringify(body)).toEqual({
      status: 400,
      body: { error: expect.any(String), reason: expect.stringMatching(/^[A-Z_]+$/) },
    });
  }
  expect((await call(gateway, "GET", "/api/sessions")).body.sessions).toEqual([]);
});

test("what a person sends wrong is 400, and the session stays pending", async () => {
  await using gateway = await startGateway();
  const cases: [unknown, unknown][] = [
    [confirmation, {}],
    [confirmation, { response: null }],
    [confirmation, { response: {} }],
    [confirmation, { response: { choice: "maybe" } }],
    [confirmation, { response: { choice: { $ne: 1 } } }],
    [confirmation, '{"response":{"__proto__":{"choice":"confirm"}}}'],
    [confirmation, { response: { choice: "confirm" }, user_id: 5 }],
    [selection, { response: { selection: [] } }],
    [selection, { response: { selection: ["dev", "dev"] } }],
    [{ ...selection, multiple: false }, { response: { selection: ["dev", "test"] } }],
    [text, { response: "" }],
    [text, { response: { a: "1", b: "2" } }],
    [text, { response: "x".repeat(10_001) }],
  ];
  for (const [data, body] of cases) {
    const id = await open(gateway, data);
    const answer = await call(gateway, "POST", `/api/sessions/${id}/respond`, body);
    expect(answer.status, JSON.stringify(body)).toBe(400);
    expect(answer.body.error).toEqual(expect.any(String));
    expect((await call(gateway, "GET", `/api/sessions/${id}`)).body.session.status).toBe("pending");
  }
});

test("a second answer and a cancel after the end are 400 SESSION_ENDED, and change nothing (I3)", async () => {
  await using gateway = await startGateway();
  const id = await open(gateway, confirmation);
  await call(gateway, "POST", `/api/sessions/${id}/respond`, { response: { choice: "confirm" } });
  for (const [path, body] of [
    ["respond", { response: { choice: "cancel" } }],
    ["cancel", {}],
  ] as const) {
    const answer = await call(gateway, "POST", `/api/sessions/${id}/${path}`, body);
    expect(answer).toMatchObject({ status: 400, body: { reason: "SESSION_ENDED" } });
  }
  const { session } = (await call(gateway, "GET", `/api/sessions/${id}`)).body;
  expect(session).toMatchObject({ status: "completed", response: { response_data: { choice: "confirm" } } });
});

test("the same Idempotency-Key opens once and answers once (I8)", async () => {
  await using gateway = await startGateway();
  const key = { "idempotency-key": "k1" };
  const first = await call(gateway, "POST", "/api/sessions", confirmation, key);
  const again = await call(gateway, "POST", "/api/sessions", confirmation, key);
  expect(again.body.session_id).toBe(first.body.session_id);
  const other = await call(gateway, "POST", "/api/sessions", text, key);
  expect(other).toMatchObject({ status: 409, body: { reason: "REQUEST_ID_REUSED" } });
  const path = `/api/sessions/${first.body.session_id}/respond`;
  for (let times = 0; times < 2; times++) {
    expect((await call(gateway, "POST", path, { response: { choice: "confirm" } }, key)).status).toBe(200);
  }
});

test("a session that is not known is 404 on every path", async () => {
  await using gateway = await startGateway();
  for (const id of [randomUUID(), "x", "__proto__", "1".repeat(300), "%F0"]) {
    for (const [method, path, body] of [
      ["GET", "", undefined],
      ["GET", "/status", undefined],
      ["POST", "/respond", { response: "x" }],
      ["POST", "/cancel", undefined],
    ] as const) {
      const answer = await call(gateway, method, `/api/sessions/${id}${path}`, body);
      expect(answer, `${method} ${id}${path}`).toMatchObject({
        status: 404,
        body: { reason: "SESSION_NOT_FOUND" },
      });
    }
  }
});

test("without a database every path is 503, never 404 and never an empty list", async () => {
  await using gateway = await startGateway();
  const id = await open(gateway, text);
  await gateway.loseSessions();
  for (const path of ["/api/sessions", `/api/sessions/${id}`, `/api/sessions/${id}/status`]) {
    expect(await call(gateway, "GET", path)).toMatchObject({
      status: 503,
      body: { reason: "STORAGE_UNAVAILABLE" },
    });
  }
});

test("each template opens a session", async () => {
  await using gateway = await startGateway();
  const { body } = await call(gateway, "GET", "/api/templates");
  expect(Object.keys(body.templates)).toEqual(["confirmation", "selection", "text_input"]);
  for (const { example } of Object.values<Json>(body.templates)) await open(gateway, example);
});
