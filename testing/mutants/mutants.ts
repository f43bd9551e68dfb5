// Builds that are broken on purpose: each breaks one rule that a promise rests on, and the checkers must notice. What
// is not here: a commit without a flush (synchronous=OFF) is seen by nobody unless the machine loses its power, which
// no test here can do; that rule is held by the settings alone.

/** A place in a source file, and what stands there in the broken build. */
export interface Change {
  /** From the root of the project. */
  readonly file: string;
  /** Stands there once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  readonly name: string;
  /** What is broken, and what comes of it. */
  readonly what: string;
  readonly changes: readonly Change[];
  /** What the checkers say of it at least: "I1", or "slow" for waiters that are told late. */
  readonly breaks: readonly string[];
}

const INGEST = "services/callback/ingest.ts";
const INBOX = "services/callback/inbox-store-sqlite.ts";
const SESSIONS = "services/session/session-store-sqlite.ts";

/** Events reach nobody: what NATS does while it is dead. By itself no fault, since waiters are swept. */
const DEAD_BUS: Change = {
  file: "platform/events/in-process-bus.ts",
  from: "      for (const message of messages) {\n",
  to: "      for (const message of messages.slice(messages.length)) {\n",
};

export const BUS_IS_DEAD: Mutant = {
  name: "bus-is-dead",
  what: "Events reach nobody; the sweep tells every waiter within 2 s all the same.",
  changes: [DEAD_BUS],
  breaks: [],
};

export const MUTANTS: readonly Mutant[] = [
  {
    name: "ack-before-commit",
    what: "The vendor gets its 200 before the message is on disk: a kill in between loses it.",
    changes: [
      {
        file: INGEST,
        from: "const { id, duplicate } = await store.add({",
        to: `const id = inbound.id, duplicate = false;
    const keep = async (message: any) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await store.add(message);
      if (decoded.kind === "message") wake(chatKeyOf(channelTenantId, channelId, decoded.chatId));
    };
    void keep({`,
      },
    ],
    breaks: ["I1"],
  },
  {
    name: "no-dedupe",
    what: "A message that the vendor repeats is another one.",
    changes: [
      {
        file: INBOX,
        from: 'insert(message, content, dedupeKeyOf(message), "")',
        to: 'insert(message, content, inbound.id, "")',
      },
    ],
    breaks: ["I1"],
  },
  {
    name: "dedupe-by-msgid-alone",
    what: "Messages of two people to which the vendor gave the same id are one: the second is lost.",
    changes: [
      {
        file: INBOX,
        from: 'insert(message, content, dedupeKeyOf(message), "")',
        to: 'insert(message, content, inbound.vendorMessageId, "")',
      },
    ],
    breaks: ["I1"],
  },
  {
    name: "no-compare-and-set",
    what: "An end is decided on a session that was read a while ago: two ends overwrite each other.",
    changes: [
      {
        file: SESSIONS,
        from: `      return db.write(() => {
        const session = recent.current(tenantId, id) ?? load(tenantId, id);
        return session && decideAndStore(session, by, decide);
      });`,
        to: `      const session = recent.committed(tenantId, id) ?? load(tenantId, id);
      return new Promise((resolve) => setTimeout(resolve, 50)).then(() =>
        db.write(() => session && decideAndStore(session, by, decide)),
      );`,
      },
    ],
    breaks: ["I2", "I3", "I4"],
  },
  {
    name: "no-sweep",
    what: "Waiters are not compared with the database, and events reach nobody: they wait until they ask again.",
    changes: [
      DEAD_BUS,
      {
        file: "services/session/waiters.ts",
        from: "    if (this.#sweeping) return;\n",
        to: "    if (this.#count >= 0) return;\n",
      },
    ],
    breaks: ["I7", "slow"],
  },
  {
    name: "outbox-confirms-before-take",
    what: "The outbox notes that entries are taken before they are: a kill in between loses a question on its way.",
    changes: [
      {
        file: "services/session/outbox-cursor.ts",
        from: "      if (events.length > 0) await take(events);\n",
        to: `      await confirm(next);
      await new Promise((resolve) => setTimeout(resolve, 150));
      if (events.length > 0) await take(events);
`,
      },
    ],
    breaks: ["I5", "I7"],
  },
  {
    name: "settle-before-submit",
    what: "A message is settled before its reply is handed over: a kill in between loses the answer.",
    changes: [
      {
        file: "services/callback/matcher.ts",
        from: "  const submitReply = () =>\n",
        to: `  await store.settle(
    keyOf(row),
    { disposition: Inbound_Disposition.ATTACHED, tenantId, sessionId, guidance: "" },
    new Date(),
  );
  await new Promise((resolve) => setTimeout(resolve, 150));
  const submitReply = () =>
`,
      },
    ],
    breaks: ["I7"],
  },
  {
    name: "no-recovery-of-sends",
    what: "A send that a kill cut off is not taken up again: its question is never shown.",
    changes: [
      {
        file: "services/delivery/delivery-store-sqlite.ts",
        from: "SELECT * FROM delivery WHERE state = $" + "{Delivery_State.SENDING}`",
        to: "SELECT * FROM delivery WHERE state = -1`",
      },
      {
        file: "services/delivery/sender.ts",
        from: '    failpoint("delivery.before_send");\n',
        to: "    await new Promise((resolve) => setTimeout(resolve, 150));\n",
      },
    ],
    breaks: ["I5", "I7"],
  },
  {
    name: "cached-reads",
    what: "A session is read once and remembered: who asks again is told what it was.",
    changes: [
      {
        file: SESSIONS,
        from: "      return recent.committed(tenantId, id) ?? load(tenantId, id);\n",
        to: `      const cache = ((globalThis as any).sessionCache ??= new Map());
      if (!cache.has(id)) cache.set(id, recent.committed(tenantId, id) ?? load(tenantId, id));
      return cache.get(id);
`,
      },
    ],
    breaks: ["I7"],
  },
];

/** The source of a file in a broken build. Throws where the place to break is not found once. */
export function mutate(source: string, { file, from, to }: Change): string {
  const places = source.split(from).length - 1;
  if (places !== 1) {
    throw new Error(
      `a mutant cannot be made: ${JSON.stringify(from)} stands ${places} times in ${file}, and has to stand there once; write down in testing/mutants/mutants.ts what stands there now`,
    );
  }
  return source.replace(from, () => to);
}
