-- One row for each delivery: a session or a notice, and the chat it goes to. Times are milliseconds since 1970.
CREATE TABLE delivery (
  -- The order of creation, for lists.
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Empty for a notice.
  session_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  chat_type INTEGER NOT NULL,
  -- Messages of one line go out one after the other: the chat, or '' where a channel has one line only.
  line TEXT NOT NULL,
  -- The rendered messages as JSON, until the delivery has ended.
  parts TEXT,
  -- How many of them the vendor has, and how often the next one was tried.
  parts_sent INTEGER NOT NULL DEFAULT 0,
  part_tries INTEGER NOT NULL DEFAULT 0,
  -- hil.delivery.v1.Delivery.State
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  attempt_count INTEGER NOT NULL DEFAULT 0,
  -- When the next try is due: set while QUEUED or UNKNOWN.
  next_time INTEGER,
  -- When it is given up.
  give_up_time INTEGER NOT NULL,
  -- Why its session needs it no longer; noticed by a try that is under way.
  withdrawn TEXT,
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  -- Grows with every change that the session service is told of, and whether it has still to be told.
  revision INTEGER NOT NULL DEFAULT 0,
  unreported INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant_id, id)
);

-- 1 is QUEUED, 2 SENDING, 4 UNKNOWN.
CREATE INDEX delivery_due ON delivery (tenant_id, channel_id, line, next_time, sequence) WHERE state IN (1, 4);
CREATE INDEX delivery_sending ON delivery (sequence) WHERE state = 2;
CREATE INDEX delivery_by_session ON delivery (tenant_id, session_id, sequence) WHERE session_id <> '';
CREATE INDEX delivery_unreported ON delivery (sequence) WHERE unreported = 1;
CREATE INDEX delivery_ended ON delivery (update_time) WHERE state IN (3, 5, 6);

CREATE TABLE attempt (
  tenant_id TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  -- hil.delivery.v1.Attempt.Outcome
  outcome INTEGER NOT NULL DEFAULT 0,
  detail TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, delivery_id, number),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES delivery (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

-- How each channel does for each tenant.
CREATE TABLE channel_health (
  tenant_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  last_error TEXT NOT NULL,
  broken INTEGER NOT NULL,
  last_sent_time INTEGER,
  PRIMARY KEY (tenant_id, channel_id)
) WITHOUT ROWID;
