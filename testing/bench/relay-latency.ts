// What a relay adds to the way of a message: to the vendor, and from the vendor to whoever waits.
//
// Both ways are taken in turns, direct and through a relay, so that whatever else the machine does slows both alike.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sessionsOf } from "../chaos/askers.ts";
import { startEmbeddedDeployment } from "../chaos/embedded-deployment.ts";
import { startRelayTarget } from "../chaos/relay-process.ts";
import { type ShownMessage, startFakeWecom } from "../fake-wecom/fake-wecom.ts";
import { createRelayKey } from "../processes/relay-key.ts";
import { freePort } from "../servers/free-port.ts";

const ROBOT_KEY = "bench-robot-key";
const WARM_UP = 50;
const PATIENCE_MS = 20_000;

/** Milliseconds of each message. */
export interface Times {
  /** From CreateSession being called to the vendor having the question. */
  readonly out: number[];
  /** From the vendor calling with the answer to the waiter being told. */
  readonly back: number[];
}

interface Robot extends AsyncDisposable {
  /** One question, its answer and the wait for it. */
  cycle(times: Times): Promise<void>;
}

/** Measures for so long. */
export async function measureLatency(runMs: number): Promise<{ direct: Times; relayed: Times }> {
  await using direct = await startRobot("direct");
  await using relayed = await startRobot("relay");
  const found = { direct: noTimes(), relayed: noTimes() };
  const warm = noTimes();
  for (let count = 0; count < WARM_UP; count += 1) {
    await direct.cycle(warm);
    await relayed.cycle(warm);
  }
  for (const end = performance.now() + runMs; performance.now() < end; ) {
    await direct.cycle(found.direct);
    await relayed.cycle(found.relayed);
  }
  return found;
}

const noTimes = (): Times => ({ out: [], back: [] });

/** The embedded form with a robot that it calls itself, or that a relay beside it calls. */
async function startRobot(way: "direct" | "relay"): Promise<Robot> {
  await using stack = new AsyncDisposableStack();
  const waiting = new Map<string, (message: ShownMessage) => void>();
  const wecom = stack.use(
    await startFakeWecom({
      key: ROBOT_KEY,
      perMinute: 0,
      onMessage: (message) => waiting.get(message.chatId)?.(message),
    }),
  );
  const vendor = {
    BOT_KEY: ROBOT_KEY,
    WECOM_API_URL: wecom.url,
    WECOM_ROBOT_MESSAGES_PER_MINUTE: "0",
  };
  if (way === "direct") {
    const hil = stack.use(await startEmbeddedDeployment(vendor));
    wecom.callbackUrl = `${hil.url}/k/${hil.ownerKey}/api/callback`;
    return robot(hil);
  }
  const folder = mkdtempSync(join(tmpdir(), "hil-bench-relay-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const hil = stack.use(
    await startEmbeddedDeployment({
      ...vendor,
      BOT_KEY: "",
      HIL_MODE: "relay",
      HIL_RELAY_PORT: String(port),
    }),
  );
  const relay = stack.use(
    await startRelayTarget({
      name: "relay",
      url: `grpc://127.0.0.1:${port}`,
      token: await createRelayKey(hil, "bench"),
      dataDir: join(folder, "data"),
      environment: vendor,
    }),
  );
  wecom.callbackUrl = relay.callbackUrl;
  return robot(hil);

  function robot(hil: { url: string; ownerKey: string }): Robot {
    const owned = stack.move();
    const sessions = sessionsOf(hil);
    return {
      async cycle({ out, back }) {
        const chatId = randomUUID();
        const { promise, resolve } = Promise.withResolvers<ShownMessage>();
        waiting.set(chatId, resolve);
        let shownMs = 0;
        const shown = promise.then((message) => {
          shownMs = performance.now();
          return message;
        });
        const asked = performance.now();
        const { session } = await sessions.createSession({
          requestId: chatId,
          projectName: "bench",
          body: "Deploy build 214 to production?",
          interaction: { kind: { case: "text", value: {} } },
          audience: { targets: [{ channelId: "wecom-robot", chatId }] },
        });
        const quote = await Promise.race([
          shown,
          pause(PATIENCE_MS, undefined, { ref: false }).then(() => {
            throw new Error(`no message came ${way} within ${PATIENCE_MS / 1000} s`);
          }),
        ]);
        waiting.delete(chatId);
        out.push(shownMs - asked);
        const told = sessions.waitSession({
          sessionId: session!.id,
          untilEnded: true,
          wait: { seconds: 20n },
        });
        await pause(10); // so that it waits, and is not just read
        const said = performance.now();
        const replying = wecom.person.reply({ chatid: chatId, text: "yes", quote });
        const answered = (await told).session;
        back.push(performance.now() - said);
        await replying;
        if (answered?.answer === undefined)
          throw new Error(`session ${session!.id} ended without its answer`);
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  }
}
