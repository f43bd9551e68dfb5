-- Who did what, sealed; see platform/audit/audit-log.ts. The same text stands in every service's migrations.

-- One chain for each tenant. The chain of the tenant '' says which chains there are. Times are milliseconds since 1970.
CREATE TABLE audit_record (
  tenant_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  principal_id TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  seal BLOB NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
) STRICT;

-- How long each chain is and how it ends, sealed too, so that nothing can be cut off its end.
CREATE TABLE audit_head (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  count INTEGER NOT NULL,
  seal BLOB NOT NULL,
  head_seal BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- The last checkpoint that names a chain of this service, so that nothing can be cut off the checkpoints' end.
CREATE TABLE audit_checkpoint (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  number INTEGER NOT NULL,
  digest BLOB NOT NULL,
  seal BLOB NOT NULL
) STRICT;

CREATE TRIGGER audit_record_is_never_changed BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;

CREATE TRIGGER audit_record_is_never_deleted BEFORE DELETE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;

CREATE TRIGGER audit_head_is_never_deleted BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the heads of audit chains are never deleted'); END;
