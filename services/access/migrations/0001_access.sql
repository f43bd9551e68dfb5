-- Times are milliseconds since 1970. No secret is kept: what opens something is kept as a keyed hash.
CREATE TABLE tenant (
  id TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  -- hil.access.v1.Tenant.State
  state INTEGER NOT NULL,
  -- hil.access.v1.TenantPolicy
  policy BLOB NOT NULL,
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  version INTEGER NOT NULL
) WITHOUT ROWID;

-- For those who configure none.
INSERT INTO tenant (id, display_name, state, policy, create_time, update_time, version)
VALUES ('_default', 'Default', 1, x'', unixepoch() * 1000, unixepoch() * 1000, 1);

CREATE TABLE member (
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  -- A UUID, version 7: the order of creation, for lists.
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- hil.access.v1.Role, as a JSON list.
  roles TEXT NOT NULL,
  -- hil.access.v1.Member.State
  state INTEGER NOT NULL,
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- How members are known elsewhere: each to at most one member of a tenant.
CREATE TABLE identity (
  tenant_id TEXT NOT NULL,
  -- hil.access.v1.Identity.Kind
  kind INTEGER NOT NULL,
  issuer TEXT NOT NULL,
  value TEXT NOT NULL,
  member_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, kind, issuer, value),
  FOREIGN KEY (tenant_id, member_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX identity_by_member ON identity (tenant_id, member_id);
-- Who signs in by a provider names no tenant.
CREATE INDEX identity_anywhere ON identity (kind, issuer, value);

CREATE TABLE api_key (
  -- The order of creation, for lists.
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  -- Part of the key itself, by which it is looked up before its tenant is known.
  id TEXT NOT NULL UNIQUE,
  -- HMAC-SHA-256 of the secret part.
  secret_hash BLOB NOT NULL,
  name TEXT NOT NULL,
  roles TEXT NOT NULL,
  scopes TEXT NOT NULL,
  principal_id TEXT NOT NULL,
  relay_name TEXT NOT NULL,
  -- How long it was made for, whatever became of it since. NULL: for ever.
  lifetime INTEGER,
  create_time INTEGER NOT NULL,
  expire_time INTEGER,
  revoke_time INTEGER,
  last_used_time INTEGER
);

CREATE INDEX api_key_by_tenant ON api_key (tenant_id, sequence);

-- Codes by which a person links an identity.
CREATE TABLE link_code (
  code_hash BLOB PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  expire_time INTEGER NOT NULL,
  FOREIGN KEY (tenant_id, member_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX link_code_over ON link_code (expire_time);

-- Tokens of sign-in links. An empty member is the owner.
CREATE TABLE sign_in_token (
  token_hash BLOB PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  expire_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX sign_in_token_over ON sign_in_token (expire_time);

-- Browsers that signed in. An empty member is the owner.
CREATE TABLE console_session (
  secret_hash BLOB PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  create_time INTEGER NOT NULL,
  expire_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX console_session_over ON console_session (expire_time);
CREATE INDEX console_session_by_member ON console_session (tenant_id, member_id);
