// npm run demo: one question of an agent on its way to a WeCom chat and back. Everything is real but the vendor,
// which is the fake, and the agent, which is this script. It leaves nothing behind.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { startEmbedded } from "../cli/embedded.ts";
import { startFakeWecom } from "./fake-wecom/fake-wecom.ts";

const CHAT = "wrk-demo";
const KEY = "demo-key";
const ADAPTER = join(import.meta.dirname, "..", "services", "mcp-adapter", "bin", "hil-mcp.mjs");

const began = performance.now();
const tell = (text: string) =>
  console.log(`${`${Math.round(performance.now() - began)} ms`.padStart(8)}  ${text}`);
const quoted = (text: string) => text.replaceAll(/^/gm, "            │ ");

const folder = mkdtempSync(join(tmpdir(), "hil-demo-"));
try {
  await using wecom = await startFakeWecom({ key: KEY });
  const hil = await startEmbedded({
    environment: {
      HIL_PORT: "0",
      HIL_DATA_DIR: folder,
      HIL_LOG_LEVEL: "warn",
      HIL_LOCALE: /^zh/i.test(process.env.HIL_LANG || process.env.LANG || "") ? "zh-CN" : "en",
      BOT_KEY: KEY,
      WECOM_API_URL: wecom.url,
    },
  });
  wecom.callbackUrl = `${hil.url}/api/callback`;
  tell(`HIL serves at ${hil.url}; a stand-in for WeCom listens at ${wecom.url}`);
  try {
    await ask(hil.url, hil.localKey);
  } finally {
    await hil.close();
  }

  async function ask(url: string, key: string): Promise<void> {
    const agent = new Client({ name: "demo-agent", version: "1.0.0" });
    await agent.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [ADAPTER, "--service-url", url, "--chat-id", CHAT, "--project-name", "demo"],
        env: { PATH: process.env.PATH ?? "", HIL_API_KEY: key },
        stderr: "inherit",
      }),
    );
    try {
      tell("the agent's MCP client is connected and calls send_and_wait_reply");
      const first = await round(agent, "Deploy build 214 to production?", "yes, but after 18:00", true);
      tell(`the agent has the answer, ${first.backMs} ms after the person's reply left:`);
      console.log(quoted(JSON.stringify(first.answer, undefined, 2)));
      const second = await round(agent, "And build 215?", "yes", false);
      tell(`the same again, now warm: ${second.thereMs} ms to the chat, ${second.backMs} ms back`);
    } finally {
      await agent.close();
    }
  }

  async function round(agent: Client, message: string, reply: string, isTold: boolean) {
    const askedMs = performance.now();
    const call = agent
      .callTool({ name: "send_and_wait_reply", arguments: { message } })
      .then((result) => ({ answer: result.structuredContent, endMs: performance.now() }));
    const shown = await Promise.race([
      wecom.waitForMessage(({ chatId, text }) => chatId === CHAT && text.includes(message)),
      call.then(({ answer }) => Promise.reject(new Error(`nothing was asked: ${JSON.stringify(answer)}`))),
    ]);
    const thereMs = (performance.now() - askedMs).toFixed(1);
    if (isTold) {
      tell(`the chat shows, ${thereMs} ms after the call:`);
      console.log(quoted(shown.text));
      tell(`a person quotes it and replies: ${reply}`);
    }
    const repliedMs = performance.now();
    const { taken, body } = await wecom.person.reply({ chatid: CHAT, text: reply, quote: shown });
    if (!taken) throw new Error(`the reply was not taken: ${body}`);
    const { answer, endMs } = await call;
    return { thereMs, backMs: (endMs - repliedMs).toFixed(1), answer };
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0); // what is left are kept-alive connections
