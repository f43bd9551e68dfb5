// The fake on its own, to try HIL without WeCom: prints what the robot is sent, and takes replies on stdin.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { startFakeWecom } from "./fake-wecom.ts";

const HELP = `A stand-in for WeCom's robot, to try HIL without WeCom.

  node testing/fake-wecom/main.ts [options]

  --host ADDRESS          where it listens (127.0.0.1)
  --port PORT             (9090)
  --callback URL          where replies go (http://127.0.0.1:8080/api/callback)
  --callback-auth N=V     a header that goes with each reply, as CALLBACK_AUTH_KEY and CALLBACK_AUTH_VALUE say
  --key KEY               the robot's key (dev-key)
  --product KIND          callback or public (callback)

Start HIL with  BOT_KEY=dev-key WECOM_API_URL=http://127.0.0.1:9090  and ask with any chat id.

While it runs, type:
  some words              a message in the chat of the last message, without a quotation
  #3 some words           a reply that quotes message 3
  /chat ID                go to another chat
  /help                   this text`;

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "9090" },
    callback: { type: "string", default: "http://127.0.0.1:8080/api/callback" },
    "callback-auth": { type: "string" },
    key: { type: "string", default: "dev-key" },
    product: { type: "string", default: "callback" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const { product } = values;
if (product !== "callback" && product !== "public") {
  console.error("--product must be callback or public");
  process.exit(2);
}

let chat = "";
const auth = /^([^=]+)=(.*)$/.exec(values["callback-auth"] ?? "");
const wecom = await startFakeWecom({
  host: values.host,
  port: Number(values.port),
  key: values.key,
  product,
  callbackUrl: values.callback,
  ...(auth ? { callbackHeader: [auth[1]!, auth[2]!] as const } : {}),
  onMessage({ number, chatId, msgtype, text, mentions, image }) {
    chat = chatId || chat;
    const loud = product === "callback" && chatId === "" ? "  !! TO ALL GROUPS: no chatid !!" : "";
    const rings = mentions.length > 0 ? `  rings ${mentions.join(", ")}` : "";
    console.log(`\n── message ${number}, ${msgtype}, chat ${chatId || "-"}${rings}${loud}`);
    console.log(image ? `(a picture of ${image.length} bytes)` : text);
  },
});
console.log(`The stand-in for WeCom listens on ${wecom.url}; type /help for what you can do.`);

for await (const line of createInterface({ input: process.stdin })) {
  const text = line.trim();
  if (text !== "") await act(text);
}
await wecom.close();

async function act(text: string): Promise<void> {
  if (text === "/help") {
    console.log(HELP);
    return;
  }
  const toChat = /^\/chat +(\S+)$/.exec(text);
  if (toChat) {
    chat = toChat[1]!;
    console.log(`You are in chat ${chat}.`);
    return;
  }
  const quoting = /^#(\d+) +(.+)$/.exec(text);
  const quote = quoting ? wecom.messages[Number(quoting[1]) - 1] : undefined;
  if (quoting && !quote) {
    console.log(`There is no message ${quoting[1]}.`);
    return;
  }
  const chatid = quote?.chatId || chat;
  if (chatid === "") {
    console.log("Nothing has been sent yet: name a chat with /chat ID.");
    return;
  }
  const { taken, statuses, body } = await wecom.person.reply({
    chatid,
    text: quoting?.[2] ?? text,
    ...(quote ? { quote } : {}),
  });
  console.log(taken ? "(taken)" : `(not taken: ${statuses.join(", ")} ${body})`);
}
