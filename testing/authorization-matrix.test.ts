// S3: every RPC of the contracts × every role × a credential that is good, foreign, missing, wrong, expired, revoked or
// narrowed. What must be let in is read from the contracts; what foreigners may learn is nothing.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DescMethod, type DescService, getOption } from "@bufbuild/protobuf";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { policy, Role, RoleSchema } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../cli/embedded.ts";

const SERVICES: readonly DescService[] = [SessionService, DeliveryService, CallbackService, AccessService];
const METHODS = SERVICES.flatMap((service) => service.methods.map((method) => ({ service, method })));
const OWNER_KEY = "hil_owner_matrix_0123456789abcdef0123456789";
const MARK = "matrix-mark-of-the-first-tenant";
/** Roles that API keys can carry; ROLE_SERVICE never leaves the deployment. */
const GRANTABLE = [
  Role.OWNER,
  Role.AGENT,
  Role.RESPONDER,
  Role.ADMINISTRATOR,
  Role.OPERATOR,
  Role.AUDITOR,
  Role.RELAY,
] as const;

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
}

let folder: string;
let hil: Embedded;
let calls = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-matrix-"));
  hil = await startEmbedded({
    environment: {
      HIL_PORT: "0",
      HIL_DATA_DIR: folder,
      HIL_OWNER_KEY: OWNER_KEY,
      HIL_LOG_LEVEL: "silent",
      // So many wrong credentials of one address would be slowed down; each call comes from an address of its own.
      HIL_TRUSTED_PROXIES: "127.0.0.1",
    },
  });
});
afterAll(async () => {
  await hil.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One call as JSON. A stream is read up to its first message or its end. */
async function call(
  service: DescService,
  method: DescMethod,
  request: object,
  credential: string | undefined,
): Promise<Answer> {
  const streams = method.methodKind !== "unary";
  const json = JSON.stringify(request);
  const response = await fetch(`${hil.url}/${service.typeName}/${method.name}`, {
    method: "POST",
    headers: {
      "x-forwarded-for": addressOf(++calls),
      "content-type": streams ? "application/connect+json" : "application/json",
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
    },
    body: streams ? envelope(json) : json,
  });
  const text = streams ? await firstEnvelope(response) : await response.text();
  const reason = /"reason":"ERROR_REASON_([A-Z_]+)"/.exec(text)?.[1] ?? "";
  return { status: response.status, reason, text };
}

function addressOf(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

function envelope(json: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(json);
  const framed = new Uint8Array(5 + body.length);
  new DataView(framed.buffer).setUint32(1, body.length);
  framed.set(body, 5);
  return framed;
}

async function firstEnvelope(response: Response): Promise<string> {
  const reader = response.body!.getReader();
  const chunks: Buffer[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (value) chunks.push(Buffer.from(value));
    const all = Buffer.concat(chunks);
    if (done || (all.length >= 5 && all.length >= 5 + all.readUInt32BE(1))) {
      await reader.cancel();
      return all.subarray(5).toString("utf8");
    }
  }
}

const asOwner = async (service: DescService, name: string, request: object, credential = OWNER_KEY) => {
  const method = service.methods.find((each) => each.name === name)!;
  const answer = await call(service, method, request, credential);
  if (answer.status !== 200) throw new Error(`${name}: ${answer.text}`);
  return JSON.parse(answer.text);
};
const keyOf = async (
  tenantId: string,
  role: Role,
  more: object = {},
): Promise<{ secret: string; id: string }> => {
  const { secret, apiKey } = await asOwner(AccessService, "CreateApiKey", {
    tenantId,
    name: `${tenantId === "first" ? MARK : tenantId} ${RoleSchema.value[role]!.localName}`,
    roles: [role],
    ...(role === Role.RELAY ? { relayName: "relay" } : {}),
    ...more,
  });
  return { secret, id: apiKey.id };
};

/** The credential itself was refused, whatever the call. */
const isUnauthenticated = ({ reason }: Answer) => reason === "CREDENTIAL_INVALID";
/** The credential is good and may not do this. */
const isForbidden = ({ reason }: Answer) => reason === "ROLE_MISSING" || reason === "SCOPE_MISSING";

/** Nothing, but for the one call whose nothing means "as the owner", which its handler keeps for owners. */
const leastRequest = (method: DescMethod) =>
  method.name === "CreateSignInLink" ? { memberId: "01930000-0000-7000-8000-000000000000" } : {};
const admitted = (method: DescMethod) => getOption(method, policy).roles;
const isOverHttp = (answer: Answer) => answer.text !== "";

describe("S3: roles", () => {
  const keys = new Map<Role, string>();
  let expired: string;
  let revoked: string;
  let suspended: string;
  beforeAll(async () => {
    await asOwner(AccessService, "CreateTenant", { tenantId: "roles" });
    await asOwner(AccessService, "CreateTenant", { tenantId: "asleep" });
    for (const role of GRANTABLE) {
      const tenantId = role === Role.OWNER ? "_default" : "roles";
      keys.set(role, (await keyOf(tenantId, role)).secret);
    }
    expired = (await keyOf("roles", Role.ADMINISTRATOR, { lifetime: "0.001s" })).secret;
    const gone = await keyOf("roles", Role.ADMINISTRATOR);
    await asOwner(AccessService, "RevokeApiKey", { tenantId: "roles", keyId: gone.id });
    revoked = gone.secret;
    suspended = (await keyOf("asleep", Role.ADMINISTRATOR)).secret;
    await asOwner(AccessService, "UpdateTenant", { tenantId: "asleep", state: "STATE_SUSPENDED" });
  });

  test.each(METHODS)(
    "$service.typeName/$method.name: its policy is what holds",
    async ({ service, method }) => {
      for (const role of GRANTABLE) {
        const answer = await call(service, method, leastRequest(method), keys.get(role));
        const mayCall = admitted(method).includes(role);
        expect(
          isForbidden(answer),
          `${method.name} as ${RoleSchema.value[role]!.localName}: ${answer.text}`,
        ).toBe(!mayCall);
        expect(isUnauthenticated(answer), `${method.name} as ${RoleSchema.value[role]!.localName}`).toBe(
          false,
        );
      }
    },
  );

  test.each(METHODS)(
    "$service.typeName/$method.name: no credential that works, no call",
    async ({ service, method }) => {
      const wrong = `${keys.get(Role.ADMINISTRATOR)!.slice(0, -1)}x`;
      for (const credential of [undefined, "", "nonsense", wrong, expired, revoked]) {
        const answer = await call(service, method, {}, credential);
        expect(isUnauthenticated(answer), `${method.name} with ${credential}: ${answer.text}`).toBe(true);
      }
      expect((await call(service, method, {}, suspended)).reason).toBe("TENANT_SUSPENDED");
    },
  );

  test("a credential that is narrowed may do what its scopes cover and nothing else", async () => {
    const { secret } = await keyOf("roles", Role.ADMINISTRATOR, { scopes: ["sessions.read", "members.*"] });
    for (const { service, method } of METHODS) {
      if (!admitted(method).includes(Role.ADMINISTRATOR)) continue;
      const { scope } = getOption(method, policy);
      const covered = scope === "sessions.read" || scope.startsWith("members.");
      const answer = await call(service, method, leastRequest(method), secret);
      const isRefused = answer.reason === "SCOPE_MISSING" && answer.text.includes(`"scope":"${scope}"`);
      expect(isRefused, `${method.name} (${scope}): ${answer.text}`).toBe(!covered);
    }
  });
});

// What a request needs to name something of the first tenant. An RPC that is not here fails the test below.
type Fixture = Readonly<
  Record<
    "session" | "answered" | "open" | "member" | "key" | "channel" | "delivery" | "inbound" | "tenant",
    string
  >
>;
type Reach = (of: Fixture) => object;
const NAMES_NOTHING: Reach = () => ({});
const REACHES: Record<string, Reach> = {
  "SessionService/CreateSession": NAMES_NOTHING,
  "SessionService/GetSession": (of) => ({ sessionId: of.session }),
  "SessionService/ListSessions": NAMES_NOTHING,
  "SessionService/WaitSession": (of) => ({ sessionId: of.session }),
  "SessionService/WatchSessions": NAMES_NOTHING,
  "SessionService/ListChanges": NAMES_NOTHING,
  "SessionService/ListEvents": (of) => ({ sessionId: of.session }),
  "SessionService/AnswerSession": (of) => ({
    sessionId: of.open,
    requestId: "r",
    value: { text: { text: "x" } },
  }),
  "SessionService/CancelSession": (of) => ({ sessionId: of.open }),
  "SessionService/ExpireSession": (of) => ({ sessionId: of.open }),
  "SessionService/ExtendDeadline": (of) => ({ sessionId: of.open, expireTime: "2036-01-01T00:00:00Z" }),
  "SessionService/AcknowledgeAnswer": (of) => ({ sessionId: of.answered }),
  "SessionService/GetAttachment": (of) => ({ sessionId: of.session, number: 1 }),
  "SessionService/GetReceipt": (of) => ({ sessionId: of.answered }),
  "SessionService/GetStatistics": (of) => ({ tenantId: of.tenant }),
  "SessionService/ListAuditRecords": NAMES_NOTHING,
  "DeliveryService/GetDelivery": (of) => ({ deliveryId: of.delivery }),
  "DeliveryService/ListDeliveries": (of) => ({ sessionId: of.session }),
  "DeliveryService/GetChannel": (of) => ({ channelId: of.channel }),
  "DeliveryService/ListChannels": NAMES_NOTHING,
  "DeliveryService/TestChannel": (of) => ({ target: { channelId: of.channel, chatId: "c" } }),
  "DeliveryService/CreateChannel": NAMES_NOTHING,
  "DeliveryService/UpdateChannel": (of) => ({ channelId: of.channel, name: "x" }),
  "DeliveryService/DeleteChannel": (of) => ({ channelId: of.channel }),
  "DeliveryService/ListRelays": (of) => ({ tenantId: of.tenant }),
  "DeliveryService/DrainRelay": (of) => ({ tenantId: of.tenant, relayName: "plant-2" }),
  "DeliveryService/ListAuditRecords": NAMES_NOTHING,
  "CallbackService/GetInbound": (of) => ({ inboundId: of.inbound }),
  "CallbackService/ListInbound": NAMES_NOTHING,
  "CallbackService/RedriveInbound": (of) => ({ inboundId: of.inbound }),
  "CallbackService/ListAuditRecords": NAMES_NOTHING,
  "AccessService/GetTenant": (of) => ({ tenantId: of.tenant }),
  "AccessService/UpdateTenant": (of) => ({ tenantId: of.tenant, displayName: "x" }),
  "AccessService/CreateMember": (of) => ({ tenantId: of.tenant, name: "x" }),
  "AccessService/GetMember": (of) => ({ memberId: of.member }),
  "AccessService/ListMembers": (of) => ({ tenantId: of.tenant }),
  "AccessService/UpdateMember": (of) => ({ memberId: of.member, name: "x" }),
  "AccessService/LinkIdentity": (of) => ({
    memberId: of.member,
    identity: { kind: "KIND_EMAIL", value: "a@b.c" },
  }),
  "AccessService/UnlinkIdentity": (of) => ({
    memberId: of.member,
    identity: { kind: "KIND_EMAIL", value: "a@b.c" },
  }),
  "AccessService/CreateLinkCode": (of) => ({ memberId: of.member }),
  "AccessService/CreateApiKey": (of) => ({ tenantId: of.tenant, name: "x" }),
  "AccessService/GetApiKey": (of) => ({ keyId: of.key }),
  "AccessService/ListApiKeys": (of) => ({ tenantId: of.tenant }),
  "AccessService/RotateApiKey": (of) => ({ keyId: of.key }),
  "AccessService/RevokeApiKey": (of) => ({ keyId: of.key }),
  "AccessService/CreateSignInLink": (of) => ({ memberId: of.member }),
  "AccessService/WhoAmI": NAMES_NOTHING,
  "AccessService/ListAuditRecords": (of) => ({ tenantId: of.tenant }),
};
const nameOf = (service: DescService, method: DescMethod) => `${service.name}/${method.name}`;
/** Those that a credential of a tenant may call at all. */
const REACHABLE = METHODS.filter(({ method }) =>
  admitted(method).some((role) => role !== Role.SERVICE && role !== Role.OWNER),
);

describe("S3, I6: foreign", () => {
  let theirs: Fixture;
  let nobodys: Fixture;
  let foreign: string;
  let own: string;
  beforeAll(async () => {
    for (const tenantId of ["first", "second"]) await asOwner(AccessService, "CreateTenant", { tenantId });
    own = (await keyOf("first", Role.ADMINISTRATOR)).secret;
    foreign = (await keyOf("second", Role.ADMINISTRATOR)).secret;
    const agent = await keyOf("first", Role.AGENT);
    const ask = (body: string) =>
      asOwner(
        SessionService,
        "CreateSession",
        {
          body: `${MARK} ${body}`,
          projectName: MARK,
          interaction: { text: {} },
          attachments: [{ data: PIXEL, name: "x.png" }],
          audience: { targets: [{ channelId: "theirs", chatId: "chat" }] },
        },
        agent.secret,
      ).then(({ session }) => session);
    await asOwner(
      DeliveryService,
      "CreateChannel",
      { channelId: "theirs", name: MARK, settings: { wecomRobot: { botKey: "no-such-key" } } },
      own,
    );
    const [session, answered, open] = [await ask("one"), await ask("two"), await ask("three")];
    await asOwner(
      SessionService,
      "AnswerSession",
      { sessionId: answered.id, requestId: "r", value: { text: { text: MARK } } },
      own,
    );
    const { member } = await asOwner(AccessService, "CreateMember", { tenantId: "first", name: MARK });
    const vendor = await keyOf("first", Role.OPERATOR, { scopes: ["inbound.write"] });
    const callback = await fetch(`${hil.url}/k/${vendor.secret}/api/callback/theirs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        msgid: "m1",
        chatid: "chat",
        chattype: "group",
        from: { userid: "u", name: "U", alias: "u" },
        msgtype: "text",
        text: { content: `@Robot ${MARK}` },
      }),
    });
    expect(callback.status).toBe(200);
    const { inbounds } = await asOwner(CallbackService, "ListInbound", {}, own);
    theirs = {
      session: session.id,
      answered: answered.id,
      open: open.id,
      member: member.id,
      key: agent.id,
      channel: "theirs",
      delivery: session.deliveries[0].deliveryId,
      inbound: inbounds[0].id,
      tenant: "first",
    };
    nobodys = {
      session: otherUuid(session.id),
      answered: otherUuid(answered.id),
      open: otherUuid(open.id),
      member: otherUuid(member.id),
      key: "zzzzzzzzzzzz",
      channel: "nobodys",
      delivery: otherUuid(session.deliveries[0].deliveryId),
      inbound: otherUuid(inbounds[0].id),
      tenant: "third",
    };
  });

  test("every RPC that a tenant's credential reaches is tried", () => {
    const names = REACHABLE.map(({ service, method }) => nameOf(service, method));
    expect(Object.keys(REACHES).sort()).toEqual(names.sort());
  });

  test.each(REACHABLE)(
    "$service.typeName/$method.name: what another tenant has looks like what nobody has, and stays as it is",
    async ({ service, method }) => {
      const reach = REACHES[nameOf(service, method)]!;
      const found = await call(service, method, reach(theirs), foreign);
      const missing = await call(service, method, reach(nobodys), foreign);
      expect(found.text, "nothing of the other tenant is in the answer").not.toContain(MARK);
      if (reach === NAMES_NOTHING || found.status === 200) return;
      expect(normal(found, theirs)).toEqual(normal(missing, nobodys));
      expect(isOverHttp(found)).toBe(true);
    },
  );

  test("the other tenant's things are there for itself, unchanged by all that", async () => {
    for (const [name, request] of [
      ["GetSession", { sessionId: theirs.session }],
      ["GetSession", { sessionId: theirs.open }],
    ] as const) {
      const { session } = await asOwner(SessionService, name, request, own);
      expect(session.body).toContain(MARK);
      expect(session.state).toBe("STATE_OPEN");
    }
    expect((await asOwner(DeliveryService, "GetChannel", { channelId: "theirs" }, own)).channel.name).toBe(
      MARK,
    );
    expect((await asOwner(AccessService, "GetMember", { memberId: theirs.member }, own)).member.name).toBe(
      MARK,
    );
    expect((await asOwner(AccessService, "GetApiKey", { keyId: theirs.key }, own)).apiKey.state).toBe(
      "STATE_ACTIVE",
    );
    expect(
      (await asOwner(CallbackService, "GetInbound", { inboundId: theirs.inbound }, own)).inbound.text,
    ).toContain(MARK);
    expect((await asOwner(AccessService, "GetTenant", {}, own)).tenant.displayName).toBe("first");
  });
});

/** One pixel of PNG. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

function otherUuid(id: string): string {
  return `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
}

/** An answer without the names that the request gave it. */
function normal({ status, text }: Answer, names: Fixture): { status: number; text: string } {
  let plain = text;
  for (const [kind, name] of Object.entries(names).sort(([, a], [, b]) => b.length - a.length))
    plain = plain.replaceAll(name, `<${kind}>`);
  return { status, text: plain.replaceAll(/"value":"[A-Za-z0-9+/=]*"/g, '"value":"…"') };
}
