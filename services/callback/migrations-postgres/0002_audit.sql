-- Who did what, sealed; see platform/audit/audit-log.ts. The same text stands in every service's migrations.

-- One chain for each tenant. The chain of the tenant '' says which chains there are. Times are milliseconds since 1970.
CREATE TABLE audit_record (
  tenant_id text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  time bigint NOT NULL,
  principal_id text NOT NULL,
  action text NOT NULL,
  resource text NOT NULL,
  before text NOT NULL,
  after text NOT NULL,
  seal bytea NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
);

-- How long each chain is and how it ends, sealed too, so that nothing can be cut off its end. `stated` is how long it
-- was in the last checkpoint that names it.
CREATE TABLE audit_head (
  tenant_id text COLLATE "C" PRIMARY KEY,
  count bigint NOT NULL,
  seal bytea NOT NULL,
  head_seal bytea NOT NULL,
  stated bigint NOT NULL DEFAULT 0
);

-- The last checkpoint that names a chain of this service, so that nothing can be cut off the checkpoints' end.
CREATE TABLE audit_checkpoint (
  id integer PRIMARY KEY CHECK (id = 1),
  number bigint NOT NULL,
  digest bytea NOT NULL,
  seal bytea NOT NULL
);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit records are never changed or deleted';
END $$;
CREATE TRIGGER audit_record_is_never_changed BEFORE UPDATE OR DELETE ON audit_record
  FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_record_is_never_emptied BEFORE TRUNCATE ON audit_record
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_head_is_never_deleted BEFORE DELETE ON audit_head
  FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_head_is_never_emptied BEFORE TRUNCATE ON audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

ALTER TABLE audit_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_record FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_record
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_head
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
