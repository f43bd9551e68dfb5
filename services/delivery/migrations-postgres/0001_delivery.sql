-- One row for each delivery: a session or a notice, and the chat it goes to. Times are milliseconds since 1970 by the
-- clock of a process, but for leases: those are by the database's clock, which all processes share.
CREATE TABLE delivery (
  -- The order of creation, for lists.
  sequence bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- Empty for a notice.
  session_id text COLLATE "C" NOT NULL,
  channel_id text COLLATE "C" NOT NULL,
  chat_id text NOT NULL,
  chat_type integer NOT NULL,
  -- Messages of one line go out one after the other: the chat, or '' where a channel has one line only.
  line text COLLATE "C" NOT NULL,
  -- The rendered messages as JSON, until the delivery has ended; for notices and sensitive sessions sealed by the vault.
  parts text,
  sealed_parts bytea,
  -- How many of them the vendor has, and how often the next one was tried.
  parts_sent integer NOT NULL DEFAULT 0,
  part_tries integer NOT NULL DEFAULT 0,
  -- hil.delivery.v1.Delivery.State
  state integer NOT NULL,
  reason text NOT NULL,
  attempt_count integer NOT NULL DEFAULT 0,
  -- When the next try is due: set until it has ended.
  next_time bigint,
  -- When it is given up.
  give_up_time bigint NOT NULL,
  -- Why its session needs it no longer; noticed by a try that is under way.
  withdrawn text,
  create_time bigint NOT NULL,
  update_time bigint NOT NULL,
  -- Grows with every change that the session service is told of, and whether it has still to be told.
  revision integer NOT NULL,
  unreported boolean NOT NULL,
  -- Until when a process has taken on to tell it, and which one.
  report_until timestamptz NOT NULL DEFAULT '-infinity',
  report_fence bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, id)
);

-- 1 is QUEUED, 2 SENDING, 4 UNKNOWN.
CREATE INDEX delivery_due ON delivery (tenant_id, channel_id, line, next_time, sequence) WHERE state IN (1, 4);
CREATE INDEX delivery_sending ON delivery (tenant_id, channel_id, line) WHERE state = 2;
CREATE INDEX delivery_by_session ON delivery (tenant_id, session_id, sequence) WHERE session_id <> '';
CREATE INDEX delivery_newest ON delivery (tenant_id, sequence);
CREATE INDEX delivery_unreported ON delivery (sequence) WHERE unreported;
-- 3 is SENT, 5 FAILED, 6 SUPPRESSED.
CREATE INDEX delivery_ended ON delivery (tenant_id, update_time) WHERE state IN (3, 5, 6);

CREATE TABLE attempt (
  tenant_id text COLLATE "C" NOT NULL,
  delivery_id text COLLATE "C" NOT NULL,
  number integer NOT NULL,
  start_time bigint NOT NULL,
  end_time bigint,
  -- hil.delivery.v1.Attempt.Outcome
  outcome integer NOT NULL DEFAULT 0,
  detail text NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, delivery_id, number),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES delivery (tenant_id, id) ON DELETE CASCADE
);

-- Numbers the claims on lines and reports: a later one has a higher number.
CREATE SEQUENCE fence;

-- The lines in which something waits or is being sent, and which process works on each.
CREATE TABLE line (
  tenant_id text COLLATE "C" NOT NULL,
  channel_id text COLLATE "C" NOT NULL,
  line text COLLATE "C" NOT NULL,
  -- It need not be looked at before.
  due_time bigint NOT NULL,
  -- Its last claim, and until when that one holds.
  fence bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (tenant_id, channel_id, line)
);
CREATE INDEX line_due ON line (due_time);

-- The turns that were taken in the last minute, for what a vendor counts together. The channels of the deployment belong
-- to the tenant '', which nobody is.
CREATE TABLE turns (
  tenant_id text COLLATE "C" NOT NULL,
  channel_id text COLLATE "C" NOT NULL,
  -- The chat, or '' for the whole channel.
  name text COLLATE "C" NOT NULL,
  -- How many in which second since 1970: [[second, count], …]
  taken jsonb NOT NULL DEFAULT '[]',
  -- Until when the vendor takes nothing, in milliseconds since 1970.
  stopped_until bigint NOT NULL DEFAULT 0,
  update_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, channel_id, name)
);

-- How each channel does for each tenant.
CREATE TABLE channel_health (
  tenant_id text COLLATE "C" NOT NULL,
  channel_id text COLLATE "C" NOT NULL,
  last_error text NOT NULL,
  broken boolean NOT NULL,
  last_sent_time bigint,
  PRIMARY KEY (tenant_id, channel_id)
);

-- The channels that tenants added. Those of the deployment come from its environment.
CREATE TABLE channel (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  -- hil.delivery.v1.ChannelSettings without its secret, in binary form.
  settings bytea NOT NULL,
  -- The secret, sealed by the vault.
  secret bytea NOT NULL,
  -- Names this version of the channel, so that a process notices what another one changed.
  revision text NOT NULL,
  create_time bigint NOT NULL,
  update_time bigint NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

ALTER TABLE delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON delivery
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON attempt
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE line ENABLE ROW LEVEL SECURITY;
ALTER TABLE line FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON line
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE turns FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON turns
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE channel_health ENABLE ROW LEVEL SECURITY;
ALTER TABLE channel_health FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON channel_health
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE channel ENABLE ROW LEVEL SECURITY;
ALTER TABLE channel FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON channel
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
