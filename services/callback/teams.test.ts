// Two teams in one chat, on the whole product with a fake of the vendor only.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startEmbedded } from "@hil/cli/embedded.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import type { AnswerPolicySchema, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { afterEach, expect, test, vi } from "vitest";

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const LI_NA = { userid: "lina", name: "Li Na", alias: "lina" };
const WANG = { userid: "wang", name: "Wang Wei", alias: "wang" };

interface AskOptions {
  readonly channelId?: string;
  readonly answerPolicy?: MessageInitShape<typeof AnswerPolicySchema>;
}

/** A deployment with the teams "red" and "blue", each with an agent and an operator. */
async function startTeams() {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-teams-"));
  opened.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const wecom = await startFakeWecom({ key: "robot-key", callbackRetryMs: 20 });
  opened.push(() => wecom.close());
  const ownRobot = await startFakeWecom({ key: "own-key", callbackRetryMs: 20 });
  opened.push(() => ownRobot.close());
  const hil = await startEmbedded({
    environment: {
      HIL_PORT: "0",
      HIL_DATA_DIR: dataDir,
      BOT_KEY: "robot-key",
      WECOM_API_URL: wecom.url,
      HIL_LOCALE: "en",
      HIL_EGRESS_ALLOW: "127.0.0.1",
      HIL_EGRESS_ALLOW_HTTP: "true",
      HIL_EGRESS_PORTS: String(ownRobot.port),
    },
    log: silentLog,
  });
  opened.push(() => hil.close());
  wecom.callbackUrl = `${hil.url}/api/callback`;
  const client = <S extends DescService>(service: S, key: string): Client<S> => {
    const withKey: Interceptor = (next) => (request) => {
      request.header.set("authorization", `Bearer ${key}`);
      return next(request);
    };
    const transport = createConnectTransport({
      baseUrl: hil.url,
      httpVersion: "1.1",
      interceptors: [withKey],
    });
    return createClient(service, transport);
  };
  const owner = client(AccessService, hil.localKey);
  const team = async (tenantId: string) => {
    await owner.createTenant({ tenantId });
    const keyOf = async (...roles: Role[]) =>
      (await owner.createApiKey({ tenantId, name: "test", roles })).secret;
    const sessions = client(SessionService, await keyOf(Role.AGENT));
    const inbox = client(CallbackService, await keyOf(Role.OPERATOR));
    return {
      /** Adds a robot of the team's own, and gives the address for its callbacks. */
      async addRobot(channelId: string): Promise<string> {
        const channels = client(DeliveryService, await keyOf(Role.ADMINISTRATOR));
        const settings = { botKey: "own-key", apiUrl: ownRobot.url };
        await channels.createChannel({
          channelId,
          settings: { kind: { case: "wecomRobot", value: settings } },
        });
        const { secret } = await owner.createApiKey({
          tenantId,
          name: "robot",
          roles: [Role.OPERATOR],
          scopes: ["inbound.write"],
        });
        return `${hil.url}/k/${secret}/api/callback/${channelId}`;
      },
      async ask(
        body: string,
        { channelId = "wecom-robot", answerPolicy }: AskOptions = {},
      ): Promise<Session> {
        const { session } = await sessions.createSession({
          projectName: tenantId,
          body,
          interaction: { kind: { case: "text", value: {} } },
          audience: { targets: [{ channelId, chatId: "chat-1" }] },
          ...(answerPolicy && { answerPolicy }),
        });
        const robot = channelId === "wecom-robot" ? wecom : ownRobot;
        await robot.waitForMessage((message) => textOf(message).includes(session!.shortId));
        return session!;
      },
      read: async ({ id }: Session) => (await sessions.getSession({ sessionId: id })).session!,
      inbounds: async () => (await inbox.listInbound({})).inbounds.toReversed(),
    };
  };
  const inbox = client(CallbackService, hil.localKey);
  return {
    wecom,
    ownRobot,
    owner,
    red: await team("red"),
    blue: await team("blue"),
    ownInbounds: async () => (await inbox.listInbound({})).inbounds.toReversed(),
    /** Writes into the chat and waits for what the robot says to it. */
    async hear(text: string, from = LI_NA): Promise<string> {
      const before = wecom.messages.length;
      await wecom.person.reply({ chatid: "chat-1", text, from });
      const said = await wecom.waitForMessage((message) => message.number > before);
      return textOf(said);
    },
  };
}

const textOf = (message: object) => JSON.stringify(message);
const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000 });

test("quoting tells two teams in one chat apart, and a plain reply names neither's question (I6)", async () => {
  const { wecom, red, blue, hear, ownInbounds } = await startTeams();
  const ours = await red.ask("Paint it red?");
  const theirs = await blue.ask("Paint it blue?");
  const hint = await hear("yes");
  expect(hint).toContain("reply with a quote");
  expect(hint).not.toMatch(new RegExp(`${ours.shortId}|${theirs.shortId}|Paint|\\bred\\b|\\bblue\\b`));
  await wecom.person.reply({ chatid: "chat-1", text: "to the blue team", quote: quoteOf(theirs) });
  await eventually(async () => expect((await blue.read(theirs)).state).toBe(Session_State.ANSWERED));
  expect((await red.read(ours)).state).toBe(Session_State.OPEN);
  await wecom.person.reply({ chatid: "chat-1", text: "plainly to the red one" });
  await eventually(async () => expect((await red.read(ours)).state).toBe(Session_State.ANSWERED));
  expect((await red.inbounds()).map((each) => each.text)).toEqual(["plainly to the red one"]);
  expect((await blue.inbounds()).map((each) => each.text)).toEqual(["to the blue team"]);
  expect((await ownInbounds()).map((each) => each.disposition)).toEqual([Inbound_Disposition.AMBIGUOUS]);
});

test("who links himself by a code may answer what only members may, and nobody else (I18)", async () => {
  const { wecom, owner, red, hear } = await startTeams();
  const { member } = await owner.createMember({ tenantId: "red", name: "Li Na", roles: [Role.RESPONDER] });
  const asked = await red.ask("Deploy?", { answerPolicy: { members: [member!.id] } });
  for (const person of [LI_NA, WANG]) expect(await hear("yes", person)).toContain(asked.shortId);
  expect((await red.read(asked)).state).toBe(Session_State.OPEN);
  expect(await hear("link 00000000")).toContain("does not work");
  const { code } = await owner.createLinkCode({ tenantId: "red", memberId: member!.id });
  expect(await hear(`link ${code.toLowerCase()}`)).toMatch(/Linked.*Li Na/);
  expect(await hear(`link ${code}`, WANG)).toContain("does not work");
  expect(await hear("yes", WANG)).toContain(asked.shortId);
  await wecom.person.reply({ chatid: "chat-1", text: "yes", from: LI_NA });
  await eventually(async () =>
    expect((await red.read(asked)).answer?.responder).toMatchObject({
      memberId: member!.id,
      userId: "lina",
      name: "Li Na",
    }),
  );
});

test("a team's own robot brings replies to that team alone, also where another has one of the same name (I6)", async () => {
  const { wecom, ownRobot, red, blue } = await startTeams();
  const [toRed, toBlue] = [await red.addRobot("team-robot"), await blue.addRobot("team-robot")];
  const ours = await red.ask("Paint it red?", { channelId: "team-robot" });
  const theirs = await blue.ask("Paint it blue?", { channelId: "team-robot" });
  const onShared = await blue.ask("Paint it white?");
  ownRobot.callbackUrl = toRed;
  for (const foreign of [theirs, onShared]) {
    await ownRobot.person.reply({ chatid: "chat-1", text: "not ours", quote: quoteOf(foreign) });
  }
  await ownRobot.person.reply({ chatid: "chat-1", text: "yes" });
  await eventually(async () => expect((await red.read(ours)).state).toBe(Session_State.ANSWERED));
  ownRobot.callbackUrl = toBlue;
  await ownRobot.person.reply({ chatid: "chat-1", text: "blue it is" });
  await eventually(async () =>
    expect((await blue.read(theirs)).answer?.value?.kind.value).toMatchObject({ text: "blue it is" }),
  );
  expect((await blue.read(onShared)).state).toBe(Session_State.OPEN);
  expect((await red.inbounds()).map((each) => each.disposition)).toEqual([
    Inbound_Disposition.REFUSED,
    Inbound_Disposition.REFUSED,
    Inbound_Disposition.ATTACHED,
  ]);
  // The refusals were said by the robot that heard the replies.
  await eventually(() =>
    expect(ownRobot.messages.filter((message) => textOf(message).includes("was not taken"))).toHaveLength(2),
  );
  expect(wecom.messages.map(textOf).join()).not.toContain("was not taken");
});

const quoteOf = ({ shortId, projectName, body }: Session) => ({
  text: `[#${shortId} ${projectName}]\n${body}`,
});
