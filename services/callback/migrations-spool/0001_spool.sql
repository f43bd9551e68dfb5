-- What vendors sent while the database was away. A row is written before the vendor gets its 200, and goes once the
-- database has the message.
CREATE TABLE spooled (
  -- The order of arrival.
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  channel_tenant_id TEXT NOT NULL,
  -- As in the inbox, for messages with an id of the vendor; NULL for others.
  dedupe_key TEXT UNIQUE,
  -- Sealed, with all that is in it.
  message BLOB NOT NULL,
  -- When our 200 had been written. Milliseconds since 1970.
  ack_time INTEGER
) STRICT;
