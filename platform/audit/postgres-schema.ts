const TENANT_WALL =
  "t * ((tenant_id = current_setting('hil.tenant'::text)) OR (current_setting('hil.tenant'::text) = '*'::text))";

/** What postgres-audit.sql makes, as audit-database-postgres.ts describes it. */
export const POSTGRES_SCHEMA: Readonly<Record<string, string>> = {
  "table audit_checkpoint": "r f f f",
  "table audit_head": "r t t f",
  "table audit_record": "r t t f",
  "column audit_checkpoint.digest": "bytea t",
  "column audit_checkpoint.id": "integer t",
  "column audit_checkpoint.number": "bigint t",
  "column audit_checkpoint.seal": "bytea t",
  "column audit_head.count": "bigint t",
  "column audit_head.head_seal": "bytea t",
  "column audit_head.seal": "bytea t",
  "column audit_head.stated": "bigint t 0",
  "column audit_head.tenant_id": "text t",
  "column audit_record.action": "text t",
  "column audit_record.after": "text t",
  "column audit_record.before": "text t",
  "column audit_record.principal_id": "text t",
  "column audit_record.resource": "text t",
  "column audit_record.seal": "bytea t",
  "column audit_record.sequence": "bigint t",
  "column audit_record.tenant_id": "text t",
  "column audit_record.time": "bigint t",
  "rule audit_checkpoint.audit_checkpoint_id_check": "CHECK ((id = 1))",
  "rule audit_checkpoint.audit_checkpoint_pkey": "PRIMARY KEY (id)",
  "rule audit_head.audit_head_pkey": "PRIMARY KEY (tenant_id)",
  "rule audit_record.audit_record_pkey": "PRIMARY KEY (tenant_id, sequence)",
  "trigger audit_head_is_never_deleted": "audit_head O 11 refuse_audit_change ",
  "trigger audit_head_is_never_emptied": "audit_head O 34 refuse_audit_change ",
  "trigger audit_record_is_never_changed": "audit_record O 27 refuse_audit_change ",
  "trigger audit_record_is_never_emptied": "audit_record O 34 refuse_audit_change ",
  "function refuse_audit_change":
    "\nBEGIN\n  RAISE EXCEPTION 'audit records are never changed or deleted';\nEND ",
  "wall audit_head.tenant": TENANT_WALL,
  "wall audit_record.tenant": TENANT_WALL,
};
