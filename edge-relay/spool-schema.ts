import type { Migration } from "@hil/platform/storage/sqlite.ts";

/** The schema of the relay's database. It stands in code, because the relay is one file. */
export const SPOOL_MIGRATIONS: readonly Migration[] = [
  {
    name: "0001_spool",
    sql: `
-- What vendors sent. A row is written before the vendor gets its 200, and goes once the server has committed the message.
CREATE TABLE inbound (
  -- The order of arrival.
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  channel_id TEXT NOT NULL,
  -- As it came, without the vendor's credentials.
  body BLOB NOT NULL,
  -- Milliseconds since 1970.
  receive_time INTEGER NOT NULL,
  -- When our 200 had been written. NULL: not known.
  ack_time INTEGER
) STRICT;

-- The commands that ended for good. A row is written before the server is told.
CREATE TABLE command (
  id TEXT PRIMARY KEY,
  -- Milliseconds since 1970.
  end_time INTEGER NOT NULL,
  -- DELIVERED or REFUSED, as hil.delivery.v1.Attempt.Outcome numbers them.
  outcome INTEGER NOT NULL,
  reason TEXT NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE INDEX command_by_time ON command (end_time);
`,
  },
];
