// The people of the fake: what they write reaches the callback address as the vendor would send it.
//
// P1. An answer other than 200, or none within the timeout, is repeated up to three times with the same msgid.
// P2. In a group a message starts with the mention of the robot; a quotation stands before it, inside the text, as
//     “Robot：⏎[#1f0c9ab2 demo]⏎…”⏎------⏎@Robot yes

import { randomBytes } from "node:crypto";

const RETRIES = 3;

export interface PersonOptions {
  /** Where callbacks go. Read at each call, so that it can be set later. */
  readonly callbackUrl: () => string | undefined;
  /** A header that goes with each callback: [name, value]. */
  readonly header: readonly [string, string] | undefined;
  /** How long an answer may take. */
  readonly timeoutMs: number;
  /** The pause before each repetition. */
  readonly retryMs: number;
  readonly robotName: string;
}

export interface Sender {
  readonly userid: string;
  readonly name: string;
  readonly alias: string;
}

/** What a person writes. */
export interface Writing {
  readonly chatid: string;
  readonly text: string;
  /** Default: group. */
  readonly chattype?: "group" | "single";
  readonly from?: Sender;
  /** The message that is quoted, or its text. */
  readonly quote?: { readonly text: string } | string;
  /** Default: a new one. */
  readonly msgid?: string;
  /** A picture that goes with the text. */
  readonly imageUrl?: string;
}

/** What became of a callback. */
export interface CallbackResult {
  readonly msgid: string;
  /** The status of each try; 0 where no answer came. */
  readonly statuses: readonly number[];
  /** The receiver answered 200 in the end. */
  readonly taken: boolean;
  /** The last answer's body. */
  readonly body: string;
}

export interface Person {
  /** Writes into a chat. */
  reply(writing: Writing): Promise<CallbackResult>;
  /** Sends a callback body as it is, repeated as the vendor does. */
  send(body: Record<string, unknown>): Promise<CallbackResult>;
}

export const ZHANG: Sender = { userid: "zhang", name: "Zhang San", alias: "zhangsan" };

export function createPerson(options: PersonOptions): Person {
  const send = async (body: Record<string, unknown>): Promise<CallbackResult> => {
    const statuses: number[] = [];
    let answer = "";
    for (let attempt = 0; attempt <= RETRIES; attempt += 1) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, options.retryMs));
      const result = await post(body, options);
      statuses.push(result.status);
      answer = result.body;
      if (result.status === 200) break;
    }
    return { msgid: String(body.msgid ?? ""), statuses, taken: statuses.at(-1) === 200, body: answer };
  };
  return { send, reply: (writing) => send(callbackOf(writing, options.robotName)) };
}

/** The callback body of a writing. */
export function callbackOf(writing: Writing, robotName: string): Record<string, unknown> {
  const { chatid, text, chattype = "group", from = ZHANG, quote, imageUrl } = writing;
  const msgid = writing.msgid ?? `CAIQ${randomBytes(12).toString("base64url")}`;
  const base = { msgid, chatid, chattype, from };
  const said = chattype === "group" ? `@${robotName} ${text}` : text;
  const quoted = typeof quote === "string" ? quote : quote?.text;
  const content = quoted === undefined ? said : `“${robotName}：\n${quoted}”\n------\n${said}`;
  if (imageUrl === undefined) return { ...base, msgtype: "text", text: { content } };
  const items = [
    { msg_type: "text", text: { content } },
    { msg_type: "image", image: { image_url: imageUrl } },
  ];
  return { ...base, msgtype: "mixed", mixed_message: { msg_item: items } };
}

async function post(
  body: Record<string, unknown>,
  { callbackUrl, header, timeoutMs }: PersonOptions,
): Promise<{ status: number; body: string }> {
  const url = callbackUrl();
  if (url === undefined) throw new Error("the fake has no callback address: set callbackUrl");
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(header ? { [header[0]]: header[1] } : {}) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 0, body: error instanceof Error ? error.message : String(error) };
  }
}
