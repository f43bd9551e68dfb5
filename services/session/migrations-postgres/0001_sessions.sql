-- One row for each tenant that has asked. Whoever writes for a tenant locks it first, so that the order of its cursors is
-- the order of commits, and quotas are exact.
CREATE TABLE tenant (
  tenant_id text COLLATE "C" PRIMARY KEY,
  -- The greatest cursor of the tenant's log that was ever used, and the last that clean-up took away.
  log_end bigint NOT NULL DEFAULT 0,
  log_start bigint NOT NULL DEFAULT 0,
  open_sessions bigint NOT NULL DEFAULT 0,
  attachment_bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- One row for each session. `resource` is the hil.session.v1.Session as it stands, sealed where `sealed` is 1; the columns
-- beside it are what is searched for. Times are milliseconds since 1970.
CREATE TABLE session (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  short_id text COLLATE "C" NOT NULL,
  state smallint NOT NULL,
  version bigint NOT NULL,
  asker_id text NOT NULL,
  request_id text,
  request_digest bytea,
  project_name text NOT NULL,
  correlation_id text NOT NULL,
  is_notice smallint NOT NULL,
  untaken smallint NOT NULL,
  expire_time bigint,
  outcome smallint NOT NULL,
  end_time bigint,
  -- 1 where an answer policy says who may answer: session_responder lists them.
  restricted smallint NOT NULL,
  sealed smallint NOT NULL,
  resource bytea NOT NULL,
  PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);

-- People quote short ids without a tenant, so they are unique over all of them.
CREATE UNIQUE INDEX session_by_short_id ON session (short_id);
CREATE UNIQUE INDEX session_by_request ON session (tenant_id, asker_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX session_open ON session (tenant_id, id) WHERE state = 1;
CREATE INDEX session_due ON session (expire_time) WHERE state = 1 AND expire_time IS NOT NULL;
CREATE INDEX session_by_correlation ON session (tenant_id, correlation_id, id) WHERE correlation_id <> '';
CREATE INDEX session_by_end ON session (tenant_id, end_time) WHERE end_time IS NOT NULL;
CREATE INDEX session_sealed ON session (tenant_id, id) WHERE sealed = 1;

-- The chats that a session was sent to. A reply is matched to the open ones of its chat, over all tenants that share it.
CREATE TABLE session_chat (
  tenant_id text COLLATE "C" NOT NULL,
  channel_id text NOT NULL,
  chat_id text NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  open smallint NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, channel_id, chat_id, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX session_chat_by_session ON session_chat (tenant_id, session_id);
CREATE INDEX session_chat_open ON session_chat (channel_id, chat_id, session_id) WHERE open = 1;

CREATE TABLE session_label (
  tenant_id text COLLATE "C" NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, key, value, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX session_label_by_session ON session_label (tenant_id, session_id);

-- Who may answer a restricted session and sees it: "member:<id>", "role:<number>".
CREATE TABLE session_responder (
  tenant_id text COLLATE "C" NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  responder text NOT NULL,
  PRIMARY KEY (tenant_id, session_id, responder),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE attachment (
  tenant_id text COLLATE "C" NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  number integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (tenant_id, session_id, number),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);

-- Which session an inbound message was handed to, and what was said about it: one message, one session (I2). What was said
-- about a sealed session stands in sealed_guidance.
CREATE TABLE submitted_reply (
  tenant_id text COLLATE "C" NOT NULL,
  inbound_id text NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  disposition smallint NOT NULL,
  guidance text NOT NULL,
  sealed_guidance bytea,
  PRIMARY KEY (tenant_id, inbound_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX submitted_reply_by_session ON submitted_reply (tenant_id, session_id);

-- The log: one row for each version of each session, in the order of the tenant's cursors.
CREATE TABLE event (
  tenant_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  type smallint NOT NULL,
  time bigint NOT NULL,
  PRIMARY KEY (tenant_id, cursor)
);
CREATE INDEX event_by_session ON event (tenant_id, session_id, version);

-- What was not handed over yet: everything to the bus, and to delivery what happened to sessions that were sent to chats. A
-- row is deleted by the transaction in which it was handed over.
CREATE TABLE bus_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  type smallint NOT NULL,
  time bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE delivery_outbox (
  tenant_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  type smallint NOT NULL,
  time bigint NOT NULL,
  PRIMARY KEY (tenant_id, cursor)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A transaction sees and writes the rows of its own tenant; workers of all.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenant', 'session', 'session_chat', 'session_label', 'session_responder', 'attachment',
    'submitted_reply', 'event', 'bus_outbox', 'delivery_outbox'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$CREATE POLICY tenant ON %I
      USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*')$policy$, name);
  END LOOP;
END $$;
