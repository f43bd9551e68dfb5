// Finds members and keys by what people call them.

import { type ApiKey, ApiKey_State, type Member } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Connection } from "../client.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { pages } from "../paging.ts";
import { oneLine } from "../table.ts";
import type { Translate } from "../terminal.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KEY_ID = /^[a-z0-9]{12}$/;
const WHOLE_KEY = /^hil_[a-z]+_([a-z0-9]{12})_/;

/** What names a member on the command line, for people. */
export const NAMED = {
  en: "the person: an id, an e-mail address or another identity, or a name that only one has",
  zh: "成员：编号、邮箱或其他身份，或唯一的姓名",
};

type Access = Pick<Connection, "access">;

/** A member by id, by one of its identities, or by its name. Rejects where that names nobody, or several. */
export async function findMember(
  { access }: Access,
  { tenantId, text, t }: { tenantId: string; text: string; t: Translate },
): Promise<Member> {
  const wanted = text.trim();
  if (UUID.test(wanted.toLowerCase())) {
    return (await access.getMember({ tenantId, memberId: wanted.toLowerCase() })).member!;
  }
  const found: Member[] = [];
  for await (const member of allMembers({ access }, tenantId)) {
    const known = [member.name, ...member.identities.map(({ value }) => value)];
    if (known.some((each) => each.toLowerCase() === wanted.toLowerCase())) found.push(member);
  }
  return onlyOne(found, {
    none: t(
      `there is no member ${JSON.stringify(wanted)}; "hil member list" shows them`,
      `没有成员 ${JSON.stringify(wanted)}；用 "hil member list" 查看`,
    ),
    several: t(
      `${JSON.stringify(wanted)} names several members; write one of their ids: ${ids(found)}`,
      `${JSON.stringify(wanted)} 对应多个成员，请改用编号：${ids(found)}`,
    ),
  });
}

export function allMembers({ access }: Access, tenantId: string, limit?: number): AsyncGenerator<Member> {
  return pages(async (page) => {
    const { members, nextPageToken } = await access.listMembers({ tenantId, ...page });
    return { items: members, nextPageToken };
  }, limit);
}

/**
 * A key by id, by the name of one that works, or, for a key that leaked, by the key itself, of which only the id is
 * sent. Rejects where that names none, or several. After a rotation two have the name for a while: with
 * `newestOfLine` it is the one that replaced the other.
 */
export async function findKey(
  { access }: Access,
  {
    tenantId,
    text,
    t,
    newestOfLine = false,
  }: { tenantId: string; text: string; t: Translate; newestOfLine?: boolean },
): Promise<ApiKey> {
  const wanted = text.trim();
  const keyId = WHOLE_KEY.exec(wanted)?.[1] ?? wanted;
  const found: ApiKey[] = [];
  for await (const key of allKeys({ access }, { tenantId })) {
    if (key.id === keyId) return key;
    if (key.name === wanted && key.state === ApiKey_State.ACTIVE) found.push(key);
  }
  const isOneLine = found.every(({ principalId }) => principalId === found[0]?.principalId);
  if (newestOfLine && isOneLine) found.splice(1); // the newest comes first
  // What was typed may be a secret: it is said again only where it looks like an id.
  const said = KEY_ID.test(keyId) ? keyId : t("of that name", "该名称");
  return onlyOne(found, {
    none: t(`there is no key ${said}; "hil key list" shows them`, `没有密钥 ${said}；用 "hil key list" 查看`),
    several: t(
      `several keys have that name; write one of their ids: ${ids(found)}`,
      `有多个同名密钥，请改用编号：${ids(found)}`,
    ),
  });
}

export function allKeys(
  { access }: Access,
  { tenantId, role }: { tenantId: string; role?: ApiKey["roles"][number] },
  limit?: number,
): AsyncGenerator<ApiKey> {
  return pages(async (page) => {
    const { apiKeys, nextPageToken } = await access.listApiKeys({ tenantId, role, ...page });
    return { items: apiKeys, nextPageToken };
  }, limit);
}

function onlyOne<T>(found: readonly T[], words: { none: string; several: string }): T {
  if (found.length > 1) throw new CommandError(EXIT.refused, words.several);
  if (!found[0]) throw new CommandError(EXIT.notFound, words.none);
  return found[0];
}

function ids(found: readonly { id: string; name: string }[]): string {
  return found.map(({ id, name }) => `${id} (${oneLine(name)})`).join(", ");
}
