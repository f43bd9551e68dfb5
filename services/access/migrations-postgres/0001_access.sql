-- Times are milliseconds since 1970. No secret is kept: what opens something is kept as a keyed hash. Ids are compared
-- byte by byte, so that lists go on where they ended whatever the database's language is.
CREATE TABLE tenant (
  id text COLLATE "C" PRIMARY KEY,
  display_name text NOT NULL,
  -- hil.access.v1.Tenant.State
  state integer NOT NULL,
  -- hil.access.v1.TenantPolicy
  policy bytea NOT NULL,
  create_time bigint NOT NULL,
  update_time bigint NOT NULL,
  version bigint NOT NULL
);

-- For those who configure none.
INSERT INTO tenant (id, display_name, state, policy, create_time, update_time, version)
VALUES ('_default', 'Default', 1, '', extract(epoch FROM now())::bigint * 1000, extract(epoch FROM now())::bigint * 1000, 1);

CREATE TABLE member (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenant (id),
  -- A UUID, version 7: the order of creation, for lists.
  id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  -- hil.access.v1.Role
  roles integer[] NOT NULL,
  -- hil.access.v1.Member.State
  state integer NOT NULL,
  create_time bigint NOT NULL,
  update_time bigint NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- How members are known elsewhere: each to at most one member of a tenant.
CREATE TABLE identity (
  tenant_id text COLLATE "C" NOT NULL,
  -- hil.access.v1.Identity.Kind
  kind integer NOT NULL,
  issuer text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  member_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, kind, issuer, value),
  FOREIGN KEY (tenant_id, member_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX identity_by_member ON identity (tenant_id, member_id);
-- Who signs in by a provider names no tenant.
CREATE INDEX identity_anywhere ON identity (kind, issuer, value);

CREATE TABLE api_key (
  -- The order of creation, for lists.
  sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenant (id),
  -- Part of the key itself, by which it is looked up before its tenant is known.
  id text COLLATE "C" NOT NULL UNIQUE,
  -- HMAC-SHA-256 of the secret part.
  secret_hash bytea NOT NULL,
  name text NOT NULL,
  roles integer[] NOT NULL,
  scopes text[] NOT NULL,
  principal_id text NOT NULL,
  relay_name text NOT NULL,
  -- How long it was made for, whatever became of it since. NULL: for ever.
  lifetime bigint,
  create_time bigint NOT NULL,
  expire_time bigint,
  revoke_time bigint,
  last_used_time bigint
);

CREATE INDEX api_key_by_tenant ON api_key (tenant_id, sequence);

-- Codes by which a person links an identity.
CREATE TABLE link_code (
  code_hash bytea PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL,
  member_id text COLLATE "C" NOT NULL,
  expire_time bigint NOT NULL,
  FOREIGN KEY (tenant_id, member_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX link_code_over ON link_code (expire_time);
CREATE INDEX link_code_by_member ON link_code (tenant_id, member_id);

-- Tokens of sign-in links. An empty member is the owner.
CREATE TABLE sign_in_token (
  token_hash bytea PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL,
  member_id text COLLATE "C" NOT NULL,
  expire_time bigint NOT NULL
);

CREATE INDEX sign_in_token_over ON sign_in_token (expire_time);
CREATE INDEX sign_in_token_by_member ON sign_in_token (tenant_id, member_id);

-- Browsers that signed in. An empty member is the owner.
CREATE TABLE console_session (
  secret_hash bytea PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL,
  member_id text COLLATE "C" NOT NULL,
  create_time bigint NOT NULL,
  expire_time bigint NOT NULL
);

CREATE INDEX console_session_over ON console_session (expire_time);
CREATE INDEX console_session_by_member ON console_session (tenant_id, member_id);

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant
  USING (id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
ALTER TABLE member FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON member
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_key
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE link_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE link_code FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON link_code
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE sign_in_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_in_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sign_in_token
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
ALTER TABLE console_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE console_session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON console_session
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
