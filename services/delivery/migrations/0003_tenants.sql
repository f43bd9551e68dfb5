-- The channels that tenants added. Those of the deployment come from its environment. Times are milliseconds since 1970.
CREATE TABLE channel (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- hil.delivery.v1.ChannelSettings without its secret, in binary form.
  settings BLOB NOT NULL,
  -- The secret, sealed by the vault.
  secret BLOB NOT NULL,
  -- Names this version of the channel, so that a process notices what another one changed.
  revision TEXT NOT NULL,
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;

-- Each tenant keeps what has ended for a time of its own. 3 is SENT, 5 FAILED, 6 SUPPRESSED.
DROP INDEX delivery_ended;
CREATE INDEX delivery_ended ON delivery (tenant_id, update_time) WHERE state IN (3, 5, 6);

-- delivery.parts is JSON, or a BLOB: the same sealed by the vault, for notices and sensitive sessions.
