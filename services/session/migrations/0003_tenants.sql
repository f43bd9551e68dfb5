-- What several tenants on one deployment need. Times are milliseconds since 1970.

-- How it ended (hil.session.v1.Session.Outcome); NULL until an answered session of an earlier version was read again,
-- which the service does when it starts. end_time is NULL while it is open.
ALTER TABLE session ADD COLUMN outcome INTEGER;
ALTER TABLE session ADD COLUMN end_time INTEGER;
-- 1 where an answer policy says who may answer: session_responder lists them.
ALTER TABLE session ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0;
-- 1 where resource, the attachments and what people were told are sealed; see platform/secrets/vault.ts.
ALTER TABLE session ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;

UPDATE session SET outcome = CASE state WHEN 1 THEN 0 WHEN 2 THEN NULL ELSE state END;
UPDATE session SET end_time = coalesce(
  (SELECT max(time) FROM event
   WHERE event.tenant_id = session.tenant_id AND event.session_id = session.id AND event.type IN (5, 6, 7, 8)), 0)
WHERE state <> 1;

CREATE INDEX session_without_outcome ON session (tenant_id, id) WHERE outcome IS NULL;
CREATE INDEX session_by_end ON session (tenant_id, end_time) WHERE end_time IS NOT NULL;
CREATE INDEX session_sealed ON session (tenant_id, id) WHERE sealed = 1;
-- All that statistics read, so that they touch no session. Ids begin with their time of creation.
CREATE INDEX session_statistics ON session (tenant_id, id, project_name, outcome, end_time);

-- Who may answer a restricted session and sees it: "member:<id>", "role:<number>".
CREATE TABLE session_responder (
  tenant_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  responder TEXT NOT NULL,
  PRIMARY KEY (tenant_id, session_id, responder),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

-- A reply is matched to the open sessions of its chat, over all tenants that share it.
ALTER TABLE session_chat ADD COLUMN open INTEGER NOT NULL DEFAULT 1;
UPDATE session_chat SET open = 0 WHERE EXISTS (
  SELECT 1 FROM session WHERE session.tenant_id = session_chat.tenant_id AND session.id = session_chat.session_id
  AND session.state <> 1);
CREATE INDEX session_chat_open ON session_chat (channel_id, chat_id, session_id) WHERE open = 1;

-- Every tenant counts its own changes, so that nobody can count another's. tenant_cursor is what callers see;
-- cursor stays the place in the outbox.
ALTER TABLE event ADD COLUMN tenant_cursor INTEGER NOT NULL DEFAULT 0;
UPDATE event SET tenant_cursor = cursor;
CREATE UNIQUE INDEX event_by_tenant ON event (tenant_id, tenant_cursor);

-- What clean-up took from a tenant's log: a reader from before `start` must list again; `last` is the greatest cursor
-- that was ever used, so that none is used twice.
CREATE TABLE tenant_log (
  tenant_id TEXT PRIMARY KEY,
  start INTEGER NOT NULL,
  last INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tenant_log (tenant_id, start, last)
  SELECT tenant_id, (SELECT cursor FROM log_start), max(cursor) FROM event GROUP BY tenant_id;
DROP TABLE log_start;

-- The last place of the outbox that clean-up took away, so that no place is used twice.
CREATE TABLE log_end (
  cursor INTEGER NOT NULL
);
INSERT INTO log_end (cursor) VALUES (0);
