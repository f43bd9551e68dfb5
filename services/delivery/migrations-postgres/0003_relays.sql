-- The relays that were ever attached. Times are milliseconds since 1970 by the clock of a process, but for when a relay was
-- heard: that is by the database's clock, which all processes share.
CREATE TABLE relay (
  tenant_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- Of its newest stream. Each stream has a greater one than all before.
  epoch bigint NOT NULL,
  instance_id text NOT NULL,
  software_version text NOT NULL,
  address text NOT NULL,
  -- The channels that it runs: [{"channelId", "kind"}, …]
  channels jsonb NOT NULL,
  attach_time bigint NOT NULL,
  heard_time timestamptz NOT NULL,
  -- NULL while its stream is open.
  detach_time bigint,
  detach_reason text NOT NULL,
  waiting_inbounds bigint NOT NULL,
  -- The stream that somebody wants to end, and why.
  drain_epoch bigint NOT NULL DEFAULT 0,
  drain_reason text NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, name)
);

ALTER TABLE relay ENABLE ROW LEVEL SECURITY;
ALTER TABLE relay FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON relay
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
