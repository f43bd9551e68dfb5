/**
 * The places at which a test can break this process, where the order of two steps matters. Each says what has happened
 * and what has not yet.
 */
export const FAILPOINTS = {
  "sqlite.before_commit": "The writes of a group ran; their commit has not begun.",
  "sqlite.after_commit": "A group is on disk; nobody was told.",
  "postgres.before_commit": "The statements of a transaction ran; its commit has not begun.",
  "postgres.after_commit": "A transaction is on disk; nobody was told.",
  "migration.before_commit": "The statements of a migration ran; its commit has not begun.",
  "migration.after_commit": "A migration is done; the next has not begun.",

  "inbox.before_add": "A vendor's message was read; it is not kept.",
  "inbox.after_add": "A vendor's message is on disk; nobody works on it and the vendor is not told.",
  "vendor.before_ok": "A vendor's message is on disk; its 200 is not written.",
  "vendor.after_ok": "The 200 to a vendor is written out; that it is was not noted.",
  "matcher.before_match": "A kept message was read; its session was not looked for.",
  "matcher.before_submit": "The session of a message is on disk with it; the reply was not handed over.",
  "matcher.before_settle": "It is decided what becomes of a message; that is not on disk.",
  "matcher.after_settle": "What became of a message is on disk; the person was not told.",
  "notice.before_send": "Words to a person are on disk; the delivery service does not have them.",
  "notice.before_settle": "The delivery service has words to a person; that it has is not on disk.",

  "session.before_create": "A question was checked; it is not kept.",
  "session.after_create": "A question is on disk; its asker was not told.",
  "session.before_reply": "A reply was handed over; nothing is decided.",
  "session.after_reply": "What a reply did is on disk; who handed it over was not told.",
  "session.before_answer": "A direct answer was checked; nothing is decided.",
  "session.after_answer": "A direct answer is on disk; who gave it was not told.",
  "session.before_report": "Reports of deliveries came; they are not on disk.",
  "wait.before_read": "A waiter is registered; its session was not read.",
  "wait.after_wake": "A waiter was woken; its session was not read again.",
  "sweep.before_read": "A sweep begins; no waiter was compared.",
  "deadline.before_expire": "Sessions fell due; none of them has ended.",
  "deadline.after_expire": "Sessions ended by their deadline; the next were not looked for.",

  "outbox.before_take": "Entries of the outbox were read; the consumer does not have them.",
  "outbox.after_take": "The consumer has entries; the outbox does not know.",
  "outbox.before_confirm": "Entries were taken; their place is not on disk.",
  "bus.before_publish": "Events are handed to the bus; none is published.",
  "bus.after_publish": "Events are published; the outbox does not know.",

  "delivery.before_queue": "Orders came; they are not on disk.",
  "delivery.after_queue": "Orders are on disk; the sender and the session service were not told.",
  "delivery.before_begin": "A delivery was picked; its try is not on disk.",
  "delivery.before_send": "A try is on disk; the vendor was not called.",
  "delivery.after_send": "The vendor answered; its answer is not on disk.",
  "relayed.result_came": "A relay said how a message ended; it is not on disk here.",
  "relayed.before_ingest": "A relay brought what vendors said; the callback service does not have it.",
  "relayed.after_ingest": "The callback service has what a relay brought; the relay was not told.",
  "delivery.after_finish": "The end of a try is on disk; nothing was reported.",
  "report.before_send": "Reports were read; the session service does not have them.",
  "report.before_mark": "The session service has reports; that it has is not on disk.",

  "relay.before_spool": "A vendor's message came to a relay; it is not on its disk.",
  "relay.before_ok": "A vendor's message is on a relay's disk; its 200 is not written.",
  "relay.after_ok": "A relay's 200 to a vendor is written out; that it is was not noted.",
  "relay.before_remove": "The server has what a relay sent; the relay's disk does not know.",
  "relay.before_send": "A relay has a command; the vendor was not called.",
  "relay.after_send": "The vendor answered a relay; nothing knows.",
  "relay.before_record": "How a command ended is known; it is not on the relay's disk.",

  "drain.before_waits_end": "A process stops; its waits were not ended.",
  "drain.before_close": "A process stops; what it has open is not closed.",
} as const satisfies Record<string, string>;

export type FailpointName = keyof typeof FAILPOINTS;
