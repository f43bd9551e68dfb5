-- One row for each session. `resource` is the hil.session.v1.Session as it stands; the columns beside it are what
-- is searched for. Times are milliseconds since 1970.
CREATE TABLE session (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  short_id TEXT NOT NULL,
  state INTEGER NOT NULL,
  version INTEGER NOT NULL,
  asker_id TEXT NOT NULL,
  request_id TEXT,
  request_digest BLOB,
  project_name TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  is_notice INTEGER NOT NULL,
  untaken INTEGER NOT NULL,
  expire_time INTEGER,
  resource BLOB NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- People quote short ids without a tenant, so they are unique over all of them.
CREATE UNIQUE INDEX session_by_short_id ON session (short_id);
CREATE UNIQUE INDEX session_by_request ON session (tenant_id, asker_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX session_open ON session (tenant_id, id) WHERE state = 1;
CREATE INDEX session_due ON session (expire_time) WHERE state = 1 AND expire_time IS NOT NULL;
CREATE INDEX session_by_correlation ON session (tenant_id, correlation_id, id) WHERE correlation_id <> '';

-- The chats that a session was sent to.
CREATE TABLE session_chat (
  tenant_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, channel_id, chat_id, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX session_chat_by_session ON session_chat (tenant_id, session_id);

CREATE TABLE session_label (
  tenant_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  session_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key, value, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX session_label_by_session ON session_label (tenant_id, session_id);

CREATE TABLE attachment (
  tenant_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (tenant_id, session_id, number),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);

-- Which session an inbound message was handed to, and what was said about it: one message, one session (I2).
CREATE TABLE submitted_reply (
  tenant_id TEXT NOT NULL,
  inbound_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  disposition INTEGER NOT NULL,
  guidance TEXT NOT NULL,
  PRIMARY KEY (tenant_id, inbound_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX submitted_reply_by_session ON submitted_reply (tenant_id, session_id);

-- The log: one row for each version of each session, in the order of time. It is the outbox too: a consumer remembers
-- how far it got. Its last row is never deleted, so that a cursor is never used twice.
CREATE TABLE event (
  cursor INTEGER PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  type INTEGER NOT NULL,
  time INTEGER NOT NULL,
  -- 1 where the session was sent to chats, so that delivery has to know.
  to_chats INTEGER NOT NULL
);
CREATE INDEX event_by_session ON event (tenant_id, session_id, version);
CREATE INDEX event_to_chats ON event (cursor) WHERE to_chats = 1;

CREATE TABLE outbox_consumer (
  name TEXT PRIMARY KEY,
  cursor INTEGER NOT NULL
) WITHOUT ROWID;

-- The last cursor that clean-up took away: a reader from before it must list again.
CREATE TABLE log_start (
  cursor INTEGER NOT NULL
);
INSERT INTO log_start (cursor) VALUES (0);
