// Two teams on one server, from the command line: what an owner, an administrator, an agent and a person do, told in
// the order in which they do it. Each test goes on from the one before.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { openSqliteDeliveryStore } from "@hil/delivery/delivery-store-sqlite.ts";
import { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { startEmbeddedProcess } from "@hil/testing/processes/start-process.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Ended, type Running, startCli } from "./testing/run-cli.ts";

// Each step is a few processes, and each of these takes its time to start on a machine that does other things.
vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), "hil-teams-"));
const dataDir = join(folder, "data");
let server: Awaited<ReturnType<typeof startEmbeddedProcess>>;
const keys = { shop: "", bank: "" };
let member = "";
let cookie = "";
let session = "";

beforeAll(async () => {
  server = await startEmbeddedProcess({ HIL_DATA_DIR: dataDir });
});
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `hil` as the owner of the machine, or with a key. */
function start(args: readonly string[], { key, input }: { key?: string; input?: string } = {}): Running {
  const environment = {
    HIL_PORT: String(server.port),
    HIL_DATA_DIR: dataDir,
    ...(key === undefined ? {} : { HIL_API_KEY: key }),
  };
  return startCli(args, { folder, environment, ...(input === undefined ? {} : { input }) });
}
const owner = (...args: string[]) => start(args).ended;
const holderOf = (key: string, ...args: string[]) => start(args, { key }).ended;
const json = ({ stdout }: Ended) => JSON.parse(stdout);
const lines = ({ stdout }: Ended) =>
  stdout
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test("an owner makes two tenants with their policies", async () => {
  const made = await owner("tenant", "create", "shop", "--name", "Shop team", "--default-timeout", "30m");
  expect(made).toMatchObject({ code: 0, stdout: "" });
  await owner("tenant", "create", "bank");
  const listed = await owner("tenant", "list");
  expect(listed.stdout).toMatch(/bank[\s\S]*shop\s+Shop team\s+active/);
  expect(await owner("tenant", "create", "shop")).toMatchObject({ code: 65 });
  expect(await owner("tenant", "show", "nobody")).toMatchObject({ code: 66 });
});

test("a policy is changed by flags and by a file, and what is not said stays", async () => {
  const flags = ["--max-timeout", "2h", "--limit", "open_sessions=100", "--unmask", "phone_number"];
  expect(await owner("tenant", "update", "shop", ...flags)).toMatchObject({ code: 0 });
  const printed = await owner("tenant", "show", "shop", "--policy");
  expect(printed.stdout).toContain("default_timeout: 1800s");
  expect(printed.stdout).toContain("max_timeout: 7200s");
  const file = join(folder, "shop.yaml");
  writeFileSync(file, `${printed.stdout}locale: en\n`);
  expect(await owner("tenant", "update", "shop", "--policy", file)).toMatchObject({ code: 0 });
  const { policy } = json(await owner("tenant", "show", "shop", "--json"));
  expect(policy).toEqual({
    default_timeout: "1800s",
    max_timeout: "7200s",
    locale: "en",
    limits: { open_sessions: 100 },
    masking: { disabled_kinds: ["KIND_PHONE_NUMBER"] },
  });
  const contradiction = await owner("tenant", "update", "shop", "--min-timeout", "3h");
  expect(contradiction.code).toBe(65);
  expect(contradiction.stderr).toMatch(/min_timeout|max_timeout/);
  expect((await owner("tenant", "update", "shop")).code).toBe(64);
});

test("a new key is all that stands on stdout, and it knows whose it is", async () => {
  for (const tenant of ["shop", "bank"] as const) {
    const { code, stdout, stderr } = await owner(
      "key",
      "create",
      "ci",
      "--tenant",
      tenant,
      "--lifetime",
      "90d",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hil_agent_[a-z0-9]{12}_\S+\n$/);
    expect(stderr).toContain("shown this once");
    expect(stderr).not.toContain(stdout.trim());
    keys[tenant] = stdout.trim();
  }
  const said = await holderOf(keys.shop, "whoami");
  expect(said.stdout).toMatch(/tenant\s+shop \(Shop team\)/);
  expect(said.stdout).toMatch(/roles\s+agent/);
  expect(said.stdout).toMatch(/ends/);
  expect((await holderOf(keys.shop, "key", "list")).code).toBe(77);
});

test("a member signs in by a link, once, and answers what the agent asks", async () => {
  const added = await owner("member", "add", "Li Lei", "--email", "Li@Example.com", "--tenant", "shop");
  expect(added).toMatchObject({ code: 0 });
  member = added.stdout.trim();
  const link = await owner(
    "member",
    "sign-in-link",
    "li@example.com",
    "--tenant",
    "shop",
    "--lifetime",
    "1h",
  );
  const url = new URL(link.stdout.trim());
  expect(link.stderr).toContain("within 1h");
  const signIn = () => post("/api/console/sign-in", { token: url.hash.slice(1) });
  const signedIn = await signIn();
  expect(signedIn.status).toBe(204);
  cookie = signedIn.headers.getSetCookie()[0]!.split(";")[0]!;
  expect((await signIn()).status).toBe(401);

  const asking = start(["ask", "Deploy build 214?", "--confirm", "--project", "web"], { key: keys.shop });
  const [, shortId] = await asking.says(/\[#([0-9a-f]{8})\] waits/);
  session = shortId!;
  const { sessions } = await call("SessionService/ListSessions", {});
  expect(sessions).toMatchObject([{ shortId: session, tenantId: "shop" }]);
  await call("SessionService/AnswerSession", {
    sessionId: sessions[0].id,
    requestId: "click-1",
    value: { confirmation: { value: "yes" } },
    note: "after 18:00",
  });
  expect(await asking.ended).toMatchObject({ code: 0, stdout: "yes\n" });
});

test("the other team sees, answers and counts nothing of it", async () => {
  expect((await holderOf(keys.bank, "show", session)).code).toBe(66);
  expect(await holderOf(keys.bank, "sessions", "--state", "all")).toMatchObject({ code: 0, stdout: "" });
  expect((await holderOf(keys.bank, "receipt", "get", session)).code).toBe(66);
  expect((await holderOf(keys.shop, "tenant", "stats", "bank")).code).toBe(77);
  const stats = json(await owner("tenant", "stats", "bank", "--json"));
  expect(stats.total?.created ?? "0").toBe("0");
});

test("statistics say what was asked and answered", async () => {
  const { total, projects } = json(await owner("tenant", "stats", "shop", "--json"));
  expect(total).toMatchObject({ created: "1", answered: "1" });
  expect(projects).toMatchObject([{ project_name: "web" }]);
  const table = await owner("tenant", "stats", "shop");
  expect(table.stdout).toMatch(/all\s+1\s+0\s+1\s+0/);
});

test("an answer is stated in a receipt that holds anywhere, and no longer once a letter is changed", async () => {
  const file = join(folder, "receipt.jws");
  writeFileSync(file, (await holderOf(keys.shop, "receipt", "get", session)).stdout);
  const published = await fetch(`http://127.0.0.1:${server.port}/.well-known/hil-keys.json`);
  const keyFile = join(folder, "hil-keys.json");
  writeFileSync(keyFile, await published.text());
  const offline = ["--service-url", "http://127.0.0.1:9"];
  const held = await owner("receipt", "verify", file, "--key", keyFile, ...offline);
  expect(held).toMatchObject({ code: 0 });
  expect(held.stdout).toContain("Deploy build 214?");
  expect(held.stdout).toMatch(/by\s+Li Lei/);

  const whole = readFileSync(file, "utf8");
  writeFileSync(file, changed(whole));
  const refused = await owner("receipt", "verify", file, "--key", keyFile, ...offline);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("does not hold");
  writeFileSync(file, whole);
});

test("a stranger without HIL checks a receipt by the recipe of docs/security.md", async () => {
  const text = readFileSync(join(import.meta.dirname, "..", "docs", "security.md"), "utf8");
  const recipe = /```js\n([\s\S]*?)```/.exec(text)![1]!;
  writeFileSync(join(folder, "check.mjs"), recipe);
  const check = () => promisify(execFile)(process.execPath, ["check.mjs"], { cwd: folder });
  const jws = (await holderOf(keys.shop, "receipt", "get", session)).stdout;
  writeFileSync(join(folder, "abc12345.jws"), jws);
  expect((await check()).stdout).toContain("Deploy build 214?");
  writeFileSync(join(folder, "abc12345.jws"), changed(jws));
  await expect(check()).rejects.toThrow("changed, or not theirs");
});

test("a rotated key is replaced at once without an overlap, and its principal is the same", async () => {
  const before = json(await holderOf(keys.shop, "whoami", "--json")).principal;
  const rotated = await owner("key", "rotate", "ci", "--tenant", "shop", "--overlap", "0s");
  expect(rotated.stdout).toMatch(/^hil_agent_\S+\n$/);
  await vi.waitFor(async () => expect((await holderOf(keys.shop, "sessions")).code).toBe(77), {
    timeout: 20_000,
    interval: 500,
  });
  keys.shop = rotated.stdout.trim();
  const after = json(await holderOf(keys.shop, "whoami", "--json")).principal;
  expect(after.id).toBe(before.id);
  expect(after.key_id).not.toBe(before.key_id);
  expect((await holderOf(keys.shop, "show", session)).code).toBe(0);
});

test("a key that leaked is ended by pasting it, and a suspended tenant's keys work no more (S6)", async () => {
  const revoked = await owner("key", "revoke", keys.shop, "--tenant", "shop", "--yes");
  expect(revoked.code).toBe(0);
  expect(revoked.stderr).not.toContain(keys.shop);
  expect((await owner("tenant", "suspend", "bank")).code).toBe(0);
  await vi.waitFor(
    async () => {
      expect((await holderOf(keys.shop, "sessions")).code).toBe(77);
      expect((await holderOf(keys.bank, "sessions")).code).toBe(77);
    },
    { timeout: 20_000, interval: 500 },
  );
  expect((await holderOf(keys.bank, "sessions")).stderr).toContain("suspended");
  expect((await owner("tenant", "resume", "bank")).code).toBe(0);
  await vi.waitFor(async () => expect((await holderOf(keys.bank, "sessions")).code).toBe(0), {
    timeout: 20_000,
    interval: 500,
  });
});

test("a disabled member is signed out within 5 s (S6)", async () => {
  expect((await owner("member", "disable", "Li Lei", "--tenant", "shop")).code).toBe(0);
  await vi.waitFor(async () => expect((await callRaw("SessionService/ListSessions", {})).status).toBe(401), {
    timeout: 20_000,
    interval: 250,
  });
  const refused = await owner("member", "sign-in-link", member, "--tenant", "shop");
  expect(refused).toMatchObject({ code: 66, stdout: "" });
});

test("identities are linked and unlinked, and belong to one member", async () => {
  await owner("member", "enable", member, "--tenant", "shop");
  const other = (await owner("member", "add", "Han", "--tenant", "shop")).stdout.trim();
  const linked = await owner("member", "link", member, "--wecom", "lilei", "--tenant", "shop");
  expect(linked.stdout).toContain("wecom lilei");
  expect((await owner("member", "link", other, "--wecom", "lilei", "--tenant", "shop")).code).toBe(65);
  await owner("member", "unlink", "lilei", "--wecom", "lilei", "--tenant", "shop");
  expect((await owner("member", "link", other, "--wecom", "lilei", "--tenant", "shop")).code).toBe(0);
  const code = await owner("member", "link-code", other, "--tenant", "shop");
  expect(code.stdout).toMatch(/^[A-Z0-9]{8}\n$/);
});

test("a relay's credential admits a relay and opens nothing else", async () => {
  const made = await owner("relay", "create", "plant-2", "--lifetime", "30d");
  expect(made.stdout).toMatch(/^hil_relay_\S+\n$/);
  expect((await owner("relay", "list")).stdout).toMatch(/plant-2 +never attached/);
  expect((await holderOf(made.stdout.trim(), "sessions")).code).toBe(77);
});

test("relays are listed with their streams and their credentials, and drained by name", async () => {
  const attachment = {
    tenantId: "_default",
    instanceId: "6f1c1c5e-5a0f-4a0e-9a53-2f5e9b1a7d10",
    softwareVersion: "0.2.0",
    address: "10.20.0.7:51234",
    channels: [{ channelId: "wecom-robot", kind: Channel_Kind.WECOM_ROBOT }],
  };
  const vault = openVault({ dataDir, environment: {} });
  const store = openSqliteDeliveryStore({ dataDir, vault, log: silentLog });
  try {
    const fence = await store.attachRelay({ ...attachment, name: "plant-2" }, Date.now());
    const inAnHour = Date.now() + 3_600_000; // attached however long this test takes
    await store.heardRelays([{ fence, waitingInbounds: 7 }], inAnHour);
    const away = await store.attachRelay({ ...attachment, name: "plant-3" }, Date.now());
    await store.detachRelay(away, "its host was switched off", Date.now());
  } finally {
    await store.close();
  }
  expect(lines(await owner("relay", "list", "--all", "--json"))).toMatchObject([
    {
      name: "plant-2",
      state: "attached",
      credential: "active",
      relay: { epoch: "1", waiting_inbounds: "7" },
      credentials: [{ relay_name: "plant-2" }],
    },
    { name: "plant-3", state: "detached", credential: "none", credentials: [] },
  ]);
  const told = await owner("relay", "drain", "plant-2", "--reason", "maintenance");
  expect(told).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("attaches anew") });
  expect((await owner("relay", "drain", "plant-9")).code).toBe(66);
  const [record] = lines(await owner("audit", "list", "--action", "relay.", "--json"));
  expect(record).toMatchObject({ action: "relay.drained", resource: "relay/plant-2" });
  expect(JSON.parse(record.after)).toMatchObject({ reason: "maintenance" });

  expect((await owner("relay", "revoke", "plant-2")).code).toBe(0);
  const table = (await owner("relay", "list")).stdout;
  expect(table).toMatch(/plant-2 +attached .* 10\.20\.0\.7:51234 +wecom-robot +7 +revoked/); // not cut off yet
  expect(table).not.toContain("plant-3"); // nobody has a credential for it, so nobody waits for it
  expect((await owner("relay", "list", "--credentials")).stdout).toBe("");
});

test("an administrator sets channels and templates of the own tenant, and reaches no other", async () => {
  const key = (
    await owner("key", "create", "admin", "--role", "administrator", "--tenant", "shop")
  ).stdout.trim();
  const botKey = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa";
  const added = await start(["channel", "add", "shop-robot", "--mode", "group", "--bot-key-file", "-"], {
    key,
    input: `${botKey}\n`,
  }).ended;
  expect(added).toMatchObject({ code: 0 });
  const shown = await holderOf(key, "channel", "show", "shop-robot", "--json");
  expect(shown.stdout).toContain('"has_bot_key": true');
  expect(added.stdout + shown.stdout).not.toContain(botKey);
  expect((await holderOf(key, "channel", "list")).stdout).toMatch(/shop-robot\s+wecom_robot/);
  expect((await holderOf(keys.bank, "channel", "list")).stdout).not.toContain("shop-robot");
  expect((await holderOf(key, "channel", "remove", "shop-robot")).code).toBe(0);

  const set = await start(["template", "set", "chat-id-hint", "-", "--locale", "en"], {
    key,
    input: "Hello {sender}, this chat is {chat_id}.\n",
  }).ended;
  expect(set.code).toBe(0);
  expect(lines(await holderOf(key, "template", "list", "--json"))).toEqual([
    { kind: "KIND_CHAT_ID_HINT", locale: "en", text: "Hello {sender}, this chat is {chat_id}." },
  ]);
  const wrong = await start(["template", "set", "question", "-"], { key, input: "{body} {secret}" }).ended;
  expect(wrong.code).toBe(65);
  expect(wrong.stderr).toContain("secret");
  expect((await holderOf(key, "template", "remove", "chat-id-hint", "--locale", "en")).code).toBe(0);
  expect((await holderOf(key, "tenant", "show", "bank")).code).toBe(77);
  expect((await holderOf(key, "tenant", "suspend", "shop")).code).toBe(77);
  expect((await holderOf(key, "key", "create", "x", "--role", "owner")).code).toBe(77);
});

test("every change is in the audit log with who made it, and no secret is", async () => {
  const listed = await owner("audit", "list", "--tenant", "shop", "--limit", "500", "--json");
  const actions = new Set(lines(listed).map(({ action }) => action));
  for (const action of ["tenant.created", "api_key.created", "member.created", "api_key.revoked"]) {
    expect(actions).toContain(action);
  }
  for (const key of Object.values(keys)) expect(listed.stdout).not.toContain(key.split("_")[3]);
  const table = await owner("audit", "list", "--tenant", "shop", "--action", "api_key.");
  expect(table.stdout).toMatch(/owner|local/);
  const key = (await owner("key", "create", "audit", "--role", "auditor", "--tenant", "shop")).stdout.trim();
  const exported = lines(await holderOf(key, "audit", "export"));
  expect(new Set(exported.map(({ service }) => service))).toEqual(new Set(["access", "session", "delivery"]));
  expect(exported.find(({ action }) => action === "session.answered")).toMatchObject({
    principal_id: `member:${member}`,
  });
  expect(new Set(exported.map(({ tenant_id }) => tenant_id))).toEqual(new Set(["shop"]));
});

test("the audit log verifies while the server runs and after it, and an edit is found (S4)", async () => {
  expect(await owner("audit", "verify")).toMatchObject({ code: 0, stdout: "" });
  await server.kill("SIGTERM");
  expect(await owner("audit", "verify")).toMatchObject({ code: 0 });
  const db = new DatabaseSync(join(dataDir, "session.db"));
  for (const { name } of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()) {
    db.exec(`DROP TRIGGER "${name}"`);
  }
  const { changes } = db
    .prepare("UPDATE audit_record SET principal_id = 'member:other' WHERE action = 'session.answered'")
    .run();
  db.close();
  expect(changes).toBe(1);
  const found = await owner("audit", "verify");
  expect(found.code).toBe(1);
  expect(found.stdout).toMatch(/session, tenant shop, record \d+/);
});

test("keys of the deployment are rotated while it is stopped, and what they protect goes on", async () => {
  expect((await owner("rotate", "master-key")).code).toBe(0);
  expect((await owner("rotate", "signing-key")).code).toBe(0);
  server = await startEmbeddedProcess({ HIL_DATA_DIR: dataDir });
  expect((await owner("rotate", "master-key")).code).toBe(78);
  expect((await holderOf(keys.bank, "whoami")).code).toBe(0);
  const published = await fetch(`http://127.0.0.1:${server.port}/.well-known/hil-keys.json`);
  expect(((await published.json()) as { keys: unknown[] }).keys).toHaveLength(2);
  expect(await owner("receipt", "verify", join(folder, "receipt.jws"))).toMatchObject({ code: 0 });
});

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

/** Calls as the console of the member that signed in. */
function callRaw(method: string, body: object): Promise<Response> {
  return post(`/hil.session.v1.${method}`, body, { cookie });
}

// biome-ignore lint/suspicious/noExplicitAny: answers of several calls, read field by field
async function call(method: string, body: object): Promise<any> {
  const response = await callRaw(method, body);
  expect(response.status).toBe(200);
  return response.json();
}

/** A statement with one letter of what it says changed. */
function changed(jws: string): string {
  const at = jws.indexOf(".") + 40;
  return `${jws.slice(0, at)}${jws[at] === "A" ? "B" : "A"}${jws.slice(at + 1)}`;
}
