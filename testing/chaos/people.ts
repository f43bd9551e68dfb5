// The people of a run: they see what the fake vendor shows and answer it, as people do: after a while, some of them
// twice. The vendor does what vendors do: it repeats calls that were taken, also while the first is under way, and
// gives messages of two people the same id.

import type { FakeWecom, ShownMessage } from "../fake-wecom/fake-wecom.ts";
import { replyTextOf } from "./checkers.ts";
import type { History } from "./history.ts";
import type { createRandom } from "./random.ts";

/** A question; words of the robot about one have no project in their tag. */
const QUESTION = /^\[#([0-9a-f]{8}) /;
const LONGEST_THOUGHT_MS = 400;
/** Of a hundred: how many answer a second time, and how many calls the vendor repeats although they were taken. */
const SECOND_ANSWERS = 10;
const VENDOR_REPEATS = 10;
/** Of a hundred messages: how many carry an id that messages of other chats carry as well. */
const SHARED_IDS = 10;

/** How a history names a vendor's message. */
export const messageName = (chatId: string, msgid: string) => `${chatId}/${msgid}`;

export interface People {
  /** To be called with each message that people see. */
  see(message: ShownMessage): void;
  /** Resolves when everybody has said what they meant to. */
  settled(): Promise<void>;
}

export function createPeople({
  wecom,
  history,
  random,
}: {
  wecom: () => FakeWecom;
  history: History;
  random: ReturnType<typeof createRandom>;
}): People {
  const underWay = new Set<Promise<void>>();
  const answered = new Set<string>();
  let count = 0;
  const sharedIds = new Map<string, number>();

  /** The vendor's name of the next message. Only within a chat is it one message's alone. */
  const nextId = (chatId: string): string => {
    if (random.below(100) >= SHARED_IDS) return `chaos-${count}`;
    const used = (sharedIds.get(chatId) ?? 0) + 1;
    sharedIds.set(chatId, used);
    return `shared-${used}`;
  };
  const say = async (message: ShownMessage, shortId: string): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, random.below(LONGEST_THOUGHT_MS)));
    const number = ++count;
    const text = replyTextOf(shortId, number);
    const msgid = nextId(message.chatId);
    const name = messageName(message.chatId, msgid);
    history.add({ kind: "replied", message: name, shortId, text });
    const writing = { chatid: message.chatId, text, quote: message, msgid };
    const repeats = random.below(100) < VENDOR_REPEATS;
    const atOnce = repeats && random.below(2) === 0 ? wecom().person.reply(writing) : undefined;
    const result = await wecom().person.reply(writing);
    const taken = [result, await atOnce].some((each) => each?.taken);
    history.add({ kind: taken ? "reply_acked" : "reply_dropped", message: name });
    // What the vendor gave up on, the person sees unanswered, and says again.
    if (!taken) await say(message, shortId);
    else if (repeats && !atOnce) await wecom().person.reply(writing);
  };
  const start = (work: Promise<void>) => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  return {
    see(message) {
      const shortId = QUESTION.exec(message.text)?.[1];
      if (!shortId) return; // a word of the robot to the chat
      history.add({ kind: "shown", shortId, text: message.text.slice(0, 80) });
      if (answered.has(shortId)) return; // a copy; people have answered already
      answered.add(shortId);
      start(say(message, shortId));
      if (random.below(100) < SECOND_ANSWERS) start(say(message, shortId));
    },
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}
