-- The relays that were ever attached. Times are milliseconds since 1970.
CREATE TABLE relay (
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- Of its newest stream. Each stream has a greater one than all before.
  epoch INTEGER NOT NULL,
  instance_id TEXT NOT NULL,
  software_version TEXT NOT NULL,
  address TEXT NOT NULL,
  -- The channels that it runs, as JSON: [{"channelId", "kind"}, …]
  channels TEXT NOT NULL,
  attach_time INTEGER NOT NULL,
  heard_time INTEGER NOT NULL,
  -- NULL while its stream is open.
  detach_time INTEGER,
  detach_reason TEXT NOT NULL,
  waiting_inbounds INTEGER NOT NULL,
  -- The stream that somebody wants to end, and why.
  drain_epoch INTEGER NOT NULL DEFAULT 0,
  drain_reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, name)
) STRICT;
