// hil-relay --check: goes the way to the server one step at a time, and stops at what is in it.

import { ConfigurationError } from "@hil/platform/config/environment.ts";
import type { Translate } from "@hil/platform/config/locale.ts";
import { lockDataDir } from "@hil/platform/storage/data-dir-lock.ts";
import type { RelayConfig } from "../config.ts";
import { setProxy } from "../dial.ts";
import { probeAttach, probeCredential } from "./attach-probe.ts";
import { doesEncrypt, encrypt } from "./encryption.ts";
import { type Finding, Obstacle } from "./finding.ts";
import { greetHttp2 } from "./http2.ts";
import { connectThrough, connectTo, resolveName } from "./network.ts";

/** Goes the way. `found` hears of each step as it ends. Resolves to whether all are good. */
export async function check(
  config: RelayConfig,
  { t, now, found }: { t: Translate; now: () => Date; found: (finding: Finding) => void },
): Promise<boolean> {
  const { way } = config;
  const { server, proxy } = way;
  const first = proxy ?? server;
  const step = async (name: string, work: () => Promise<string>): Promise<void> => {
    try {
      found({ step: name, good: true, words: await work() });
    } catch (error) {
      if (error instanceof Obstacle) found({ step: name, good: false, words: error.message });
      throw error;
    }
  };
  const open = () => (proxy ? connectThrough(proxy, server, t) : connectTo(server, t));
  setProxy(way);
  try {
    await step("DNS", async () => {
      const addresses = await resolveName(first, t);
      return `${first.host} → ${addresses.join(", ")}`;
    });
    await step("TCP", async () => {
      (await connectTo(first, t)).destroy();
      return `${first.host}:${first.port}`;
    });
    if (proxy) {
      await step(t("Proxy", "代理"), async () => {
        (await connectThrough(proxy, server, t)).destroy();
        return `${proxy.text} → ${server.host}:${server.port}`;
      });
    }
    if (server.tls) {
      await step("TLS", async () => {
        const socket = await encrypt(way, open, t, now);
        const { subject, valid_to } = socket.getPeerCertificate();
        socket.destroy();
        return t(
          `${subject?.CN ?? server.host}, valid until ${valid_to}`,
          `${subject?.CN ?? server.host}，有效期至 ${valid_to}`,
        );
      });
    }
    await step("HTTP/2", async () => {
      const socket = server.tls ? await encrypt(way, open, t, now) : await open();
      await greetHttp2(socket, way, { t, now, encrypts: () => doesEncrypt(way, open) });
      return t("spoken", "支持");
    });
    await step(t("Credential", "凭证"), async () => {
      await probeCredential(way, t);
      return t("taken", "有效");
    });
    await step(t("Attach", "接入"), async () => {
      const release = takeDataDir(config.dataDir);
      if (!release) {
        return t("left out: a relay runs here already, and keeps its stream", "跳过：本机已有中转在运行");
      }
      try {
        const { relayName, softwareVersion } = await probeAttach(way, t, now);
        return t(
          `as ${relayName}, to HIL ${softwareVersion}`,
          `名称 ${relayName}，HIL 版本 ${softwareVersion}`,
        );
      } finally {
        release();
      }
    });
    return true;
  } catch (error) {
    if (error instanceof Obstacle) return false;
    throw error;
  }
}

/** Takes the data folder, so that no relay starts meanwhile. Undefined: one runs. */
function takeDataDir(dataDir: string): (() => void) | undefined {
  try {
    return lockDataDir(dataDir);
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
}
