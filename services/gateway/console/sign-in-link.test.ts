import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../../cli/embedded.ts";

let hil: Embedded;
let dataDir: string;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-link-"));
  hil = await startEmbedded({
    environment: { HIL_PORT: "0", HIL_DATA_DIR: dataDir, HIL_LOG_LEVEL: "silent" },
  });
});
afterAll(async () => {
  await hil.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const post = (path: string, headers: Record<string, string>, body: object = {}) =>
  fetch(`${hil.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const transport = (headers: Record<string, string>) =>
  createConnectTransport({
    baseUrl: hil.url,
    httpVersion: "1.1",
    interceptors: [
      (next) => (request) => {
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request);
      },
    ],
  });

async function tokenOf(response: Response): Promise<string> {
  const { url } = (await response.json()) as { url: string };
  expect(url.startsWith(`${hil.url}/login#`)).toBe(true);
  return url.split("#")[1]!;
}

test("an owner gets a link that signs in once; nobody gets one without a key", async () => {
  const token = await tokenOf(await post("/api/console/sign-in-link", bearer(hil.localKey)));
  expect((await post("/api/console/sign-in", {}, { token })).status).toBe(204);
  expect((await post("/api/console/sign-in", {}, { token })).status).toBe(401);
  expect((await post("/api/console/sign-in-link", {})).status).toBe(401);
});

test("an administrator gets a link for a member, who then sees and answers what waits", async () => {
  const owner = createClient(AccessService, transport(bearer(hil.localKey)));
  await owner.createTenant({ tenantId: "a", displayName: "Team A" });
  const administrator = await owner.createApiKey({ name: "k", tenantId: "a", roles: [Role.ADMINISTRATOR] });
  const agent = await owner.createApiKey({ name: "k", tenantId: "a", roles: [Role.AGENT] });
  const { member } = await createClient(AccessService, transport(bearer(administrator.secret))).createMember({
    name: "Ann",
  });
  const link = (key: string, body: object) => post("/api/console/sign-in-link", bearer(key), body);
  expect((await link(administrator.secret, {})).status).toBe(403);
  expect((await link(agent.secret, { member_id: member!.id })).status).toBe(403);
  expect((await link(administrator.secret, { member: member!.id })).status).toBe(400);
  const token = await tokenOf(await link(administrator.secret, { member_id: member!.id }));
  const signedIn = await post("/api/console/sign-in", {}, { token });
  const cookie = signedIn.headers.get("set-cookie")!.split(";", 1)[0]!;

  const browser = transport({ cookie });
  const { principal, tenantDisplayName } = await createClient(AccessService, browser).whoAmI({});
  expect([principal?.name, principal?.roles, tenantDisplayName]).toEqual(["Ann", [Role.RESPONDER], "Team A"]);
  const asker = createClient(SessionService, transport(bearer(agent.secret)));
  const asked = await asker.createSession({
    requestId: crypto.randomUUID(),
    body: "go on?",
    interaction: { kind: { case: "text", value: {} } },
  });
  const responder = createClient(SessionService, browser);
  const { sessions } = await responder.listSessions({});
  expect(sessions.map(({ id }) => id)).toEqual([asked.session!.id]);
  const { session } = await responder.answerSession({
    sessionId: sessions[0]!.id,
    requestId: crypto.randomUUID(),
    value: { kind: { case: "text", value: { text: "yes" } } },
  });
  expect(session?.answer?.responder).toMatchObject({ memberId: member!.id });
  await expect(createClient(AccessService, browser).listMembers({})).rejects.toThrow(/may not call/);
});
