// What goes both ways during a trial: people write, agents ask, and whoever sees a question answers it.

import { setTimeout as pause } from "node:timers/promises";
import { persist } from "../chaos/askers.ts";
import type { FakeWecom, ShownMessage } from "../fake-wecom/fake-wecom.ts";
import type { HilServer } from "./hil-server.ts";

const WRITE_EVERY_MS = 100;
const ASK_EVERY_MS = 250;
/** So many that no chat gets more than a robot may send to one. */
const CHATS = 200;
/** A question; words of the robot about one have no project in their tag. */
const QUESTION = /^\[#([0-9a-f]{8}) /;
/** How long HIL may be away for somebody who asks. */
const ASK_PATIENCE_MS = 60_000;

export interface Question {
  readonly id: string;
  readonly shortId: string;
}

export interface Traffic {
  /** The vendor's ids of the messages that it got a 200 for. */
  readonly acked: ReadonlySet<string>;
  readonly questions: readonly Question[];
  /** The questions whose answer the vendor got a 200 for, by their short ids. */
  readonly answered: ReadonlySet<string>;
  /** How often people saw each question, by its short id. */
  readonly shown: ReadonlyMap<string, number>;
  /** Called with each message that people see. */
  see(message: ShownMessage): void;
  /** Ends it, and resolves when what was under way has ended. */
  stop(): Promise<void>;
}

/** Starts it. `padding` makes what people write longer. */
export function startTraffic({
  hil,
  wecom,
  padding,
}: {
  hil: HilServer;
  wecom: () => FakeWecom;
  padding: string;
}): Traffic {
  const acked = new Set<string>();
  const answered = new Set<string>();
  const questions: Question[] = [];
  const shown = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  let over = false;
  const start = (work: Promise<void>) => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  const write = async (number: number) => {
    const msgid = `m-${number}`;
    const writing = { chatid: `people-${number % CHATS}`, text: `word ${number}${padding}`, msgid };
    if ((await wecom().person.reply(writing)).taken) acked.add(msgid);
  };
  const answer = async (question: ShownMessage, shortId: string) => {
    const msgid = `a-${shortId}`;
    const writing = { chatid: question.chatId, text: "yes", quote: question, msgid };
    if (!(await wecom().person.reply(writing)).taken) return;
    acked.add(msgid);
    answered.add(shortId);
  };
  const ask = async (number: number) => {
    const stop = AbortSignal.timeout(ASK_PATIENCE_MS);
    const session = await persist(async () => {
      const created = await hil.sessions.createSession(
        {
          requestId: `question-${number}`,
          projectName: "networks",
          body: `question ${number}`,
          interaction: { kind: { case: "text", value: {} } },
          audience: { targets: [{ channelId: "wecom-robot", chatId: `chat-${number % CHATS}` }] },
          withoutDeadline: true,
        },
        { timeoutMs: 5_000 },
      );
      return created.session!;
    }, stop);
    questions.push({ id: session.id, shortId: session.shortId });
  };
  const repeat = async (everyMs: number, work: (number: number) => Promise<void>) => {
    for (let number = 0; !over; number++) {
      start(work(number));
      await pause(everyMs);
    }
  };
  const repeating = [repeat(WRITE_EVERY_MS, write), repeat(ASK_EVERY_MS, ask)];
  return {
    acked,
    questions,
    answered,
    shown,
    see(message) {
      const shortId = QUESTION.exec(message.text)?.[1];
      if (!shortId) return;
      const times = (shown.get(shortId) ?? 0) + 1;
      shown.set(shortId, times);
      if (times === 1) start(answer(message, shortId));
    },
    async stop() {
      over = true;
      await Promise.all(repeating);
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}
