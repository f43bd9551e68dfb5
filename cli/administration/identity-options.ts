// How a person is known elsewhere, as flags and as words.

import { create } from "@bufbuild/protobuf";
import { type Identity, Identity_Kind, IdentitySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Command } from "commander";
import { CommandError, EXIT } from "../exit-code.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export interface IdentityOptions {
  readonly wecom?: string;
  readonly openid?: string;
  readonly email?: string;
  readonly oidc?: string;
  readonly issuer?: string;
}

const KINDS = [
  ["wecom", Identity_Kind.WECOM_USER],
  ["openid", Identity_Kind.OFFICIAL_ACCOUNT],
  ["email", Identity_Kind.EMAIL],
  ["oidc", Identity_Kind.OIDC_SUBJECT],
] as const;

export function addIdentityOptions(command: Command, t: Terminal["t"]): Command {
  return command
    .option("--wecom <user-id>", t("WeCom: the user id within the company", "企业微信成员账号（UserID）"))
    .option("--openid <openid>", t("WeChat Official Account: the follower's openid", "公众号关注者的 openid"))
    .option("--email <address>", t("an e-mail address", "电子邮箱"))
    .option(
      "--oidc <subject>",
      t("OpenID Connect: the subject; needs --issuer", "OpenID Connect 的 subject，需要 --issuer"),
    )
    .option(
      "--issuer <issuer>",
      t(
        "which company, account or provider; default: the only one",
        "所属企业、公众号或身份提供方；默认为唯一的那个",
      ),
    );
}

/** The identities that the flags name. Throws a CommandError where --issuer belongs to none or to several. */
export function identitiesOf(options: IdentityOptions): Identity[] {
  const named = KINDS.flatMap(([flag, kind]) => {
    const value = options[flag];
    return value === undefined ? [] : [{ kind, value }];
  });
  const withIssuer = named.filter(({ kind }) => kind !== Identity_Kind.EMAIL);
  if (options.issuer !== undefined && withIssuer.length !== 1) {
    throw wrong("--issuer needs one of --wecom, --openid and --oidc beside it");
  }
  if (options.oidc !== undefined && options.issuer === undefined) {
    throw wrong("--oidc needs --issuer: the address of the provider");
  }
  return named.map(({ kind, value }) =>
    create(IdentitySchema, {
      kind,
      value,
      issuer: kind === Identity_Kind.EMAIL ? "" : (options.issuer ?? ""),
    }),
  );
}

/** The one identity that the flags name. */
export function identityOf(options: IdentityOptions): Identity {
  const [identity, ...others] = identitiesOf(options);
  if (!identity || others.length > 0) throw wrong("name one identity: --wecom, --openid, --email or --oidc");
  return identity;
}

/** "wecom lilei", "oidc 123 (https://id.example.com)". */
export function identityWords({ kind, issuer, value }: Identity): string {
  const name = KINDS.find(([, each]) => each === kind)?.[0] ?? "?";
  return oneLine(`${name} ${value}${issuer ? ` (${issuer})` : ""}`);
}

function wrong(sentence: string): CommandError {
  return new CommandError(EXIT.usage, sentence);
}
