-- What vendors sent us. A row is written before the vendor gets its 200 and is kept for the time of retention after that.
CREATE TABLE inbound (
  -- The order of arrival.
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  -- What is matched in order: JSON of [tenant_id, channel_id, chat_id].
  chat_key TEXT NOT NULL,
  chat_type INTEGER NOT NULL,
  sender_user_id TEXT NOT NULL,
  sender_name TEXT NOT NULL,
  sender_alias TEXT NOT NULL,
  kind INTEGER NOT NULL,
  vendor_message_id TEXT NOT NULL,
  text TEXT NOT NULL,
  quoted_text TEXT NOT NULL,
  image_urls TEXT NOT NULL,
  vendor_message TEXT NOT NULL,
  -- Decides what is a duplicate; see inbox-store-sqlite.ts.
  dedupe_key TEXT NOT NULL UNIQUE,
  -- SHA-256 of the body for a message without an id of the vendor; otherwise empty.
  body_digest TEXT NOT NULL,
  -- Times are milliseconds since 1970.
  receive_time INTEGER NOT NULL,
  -- When our 200 had been written. Kept for messages without an id only.
  ack_time INTEGER,
  -- hil.callback.v1.Inbound.Disposition; 0 waits to be matched.
  disposition INTEGER NOT NULL DEFAULT 0,
  -- Set before the reply is handed over, so that a restart hands it to the same session.
  session_id TEXT NOT NULL DEFAULT '',
  settle_time INTEGER,
  guidance TEXT NOT NULL DEFAULT '',
  -- 1 while the guidance waits to be handed to the delivery service.
  notice_pending INTEGER NOT NULL DEFAULT 0,
  notice_attempt_count INTEGER NOT NULL DEFAULT 0,
  attempt_count INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX inbound_pending ON inbound (chat_key, seq) WHERE disposition = 0;
CREATE INDEX inbound_notice_pending ON inbound (chat_key, seq) WHERE notice_pending = 1;
CREATE INDEX inbound_body_digest ON inbound (body_digest, seq) WHERE body_digest <> '';
CREATE INDEX inbound_chat ON inbound (tenant_id, chat_id, seq);
CREATE INDEX inbound_tenant ON inbound (tenant_id, seq);
CREATE INDEX inbound_receive_time ON inbound (receive_time);
