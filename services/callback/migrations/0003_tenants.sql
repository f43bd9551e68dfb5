-- A message begins as the tenant's whose channel it came on and becomes the tenant's whose session it is matched to:
-- tenant_id says whose it is, channel_tenant_id where it began. chat_key and dedupe_key are made of the latter, so that
-- neither order nor duplicates depend on what was decided.
ALTER TABLE inbound ADD COLUMN channel_tenant_id TEXT NOT NULL DEFAULT '';
UPDATE inbound SET channel_tenant_id = tenant_id;

-- Pages go by id, which tells a tenant nothing about the traffic of others as seq would.
DROP INDEX inbound_chat;
DROP INDEX inbound_tenant;
DROP INDEX inbound_receive_time;
CREATE INDEX inbound_tenant_chat ON inbound (tenant_id, chat_id, id);
CREATE INDEX inbound_tenant_id ON inbound (tenant_id, id);
CREATE INDEX inbound_tenant_receive_time ON inbound (tenant_id, receive_time);

-- What people wrote and what they were told is sealed (platform/secrets/vault.ts): a reply to a sensitive session is
-- here before anybody knows what it answers. The columns text, quoted_text, image_urls, vendor_message and guidance
-- are empty then; content is NULL for what an earlier version kept.
ALTER TABLE inbound ADD COLUMN content BLOB;
ALTER TABLE inbound ADD COLUMN sealed_guidance BLOB;

-- Finds what an older master key wrapped; 9 is the length of Vault.newestPrefix.
CREATE INDEX inbound_content_key ON inbound (substr(content, 1, 9)) WHERE content IS NOT NULL;
CREATE INDEX inbound_guidance_key ON inbound (substr(sealed_guidance, 1, 9)) WHERE sealed_guidance IS NOT NULL;
