-- What vendors sent us. A row is written before the vendor gets its 200 and is kept for the time of retention after that.
-- What people wrote and what they were told is sealed (platform/secrets/vault.ts): a reply to a sensitive session is here
-- before anybody knows what it answers. Times are milliseconds since 1970, but for those of leases.
CREATE TABLE inbound (
  -- The order of arrival.
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  -- Whose it is: of its channel's tenant at first, of its session's from the match on.
  tenant_id text COLLATE "C" NOT NULL,
  -- Where it began. chat_key and dedupe_key are made of it, so that neither order nor duplicates depend on a decision.
  channel_tenant_id text COLLATE "C" NOT NULL,
  channel_id text NOT NULL,
  chat_id text NOT NULL,
  -- What is matched in order: JSON of [channel_tenant_id, channel_id, chat_id].
  chat_key text COLLATE "C" NOT NULL,
  chat_type integer NOT NULL,
  sender_user_id text NOT NULL,
  sender_name text NOT NULL,
  sender_alias text NOT NULL,
  kind integer NOT NULL,
  vendor_message_id text NOT NULL,
  content bytea NOT NULL,
  -- Decides what is a duplicate; see inbox-store.ts.
  dedupe_key text COLLATE "C" NOT NULL UNIQUE,
  -- A keyed digest of the body for a message without an id of the vendor; otherwise empty.
  body_digest text COLLATE "C" NOT NULL,
  receive_time bigint NOT NULL,
  -- When our 200 had been written. Kept for messages without an id only.
  ack_time bigint,
  -- hil.callback.v1.Inbound.Disposition; 0 waits to be matched.
  disposition integer NOT NULL,
  -- Set before the reply is handed over, so that a restart hands it to the same session.
  session_id text NOT NULL DEFAULT '',
  settle_time bigint,
  sealed_guidance bytea,
  -- True while the guidance waits to be handed to the delivery service.
  notice_pending boolean NOT NULL DEFAULT false,
  notice_attempt_count integer NOT NULL DEFAULT 0,
  attempt_count integer NOT NULL DEFAULT 0,
  last_error text NOT NULL DEFAULT ''
);

CREATE INDEX inbound_pending ON inbound (chat_key, seq) WHERE disposition = 0;
CREATE INDEX inbound_notice_pending ON inbound (chat_key, seq) WHERE notice_pending;
CREATE INDEX inbound_body_digest ON inbound (body_digest, seq) WHERE body_digest <> '';
-- Pages go by id, which tells a tenant nothing about the traffic of others as seq would.
CREATE INDEX inbound_tenant_chat ON inbound (tenant_id, chat_id, id);
CREATE INDEX inbound_tenant_id ON inbound (tenant_id, id);
CREATE INDEX inbound_tenant_receive_time ON inbound (tenant_id, receive_time);
-- Finds what an older master key wrapped; 9 is the length of Vault.newestPrefix.
CREATE INDEX inbound_content_key ON inbound (substr(content, 1, 9));
CREATE INDEX inbound_guidance_key ON inbound (substr(sealed_guidance, 1, 9)) WHERE sealed_guidance IS NOT NULL;

ALTER TABLE inbound ENABLE ROW LEVEL SECURITY;
ALTER TABLE inbound FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON inbound
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');

-- Numbers claims: each is greater than all before it.
CREATE SEQUENCE claim_token;

-- Which chats a replica works on: a row is there while one does, or died while it did.
CREATE TABLE claim (
  -- 'match' or 'notice'.
  work text COLLATE "C" NOT NULL,
  chat_key text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  token bigint NOT NULL UNIQUE,
  lease_end timestamptz NOT NULL,
  PRIMARY KEY (work, chat_key)
);

ALTER TABLE claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE claim FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON claim
  USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');
