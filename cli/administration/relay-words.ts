// Relays in words for a terminal: the stream of each, and the credentials that were made for it.

import { type ApiKey, ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { type Relay, Relay_State, RelaySchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { contractJson } from "../contract-json.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { when } from "./times.ts";

/** All that is known of one relay. */
export interface KnownRelay {
  readonly name: string;
  /** Undefined: it was never attached. */
  readonly relay: Relay | undefined;
  /** The newest first. */
  readonly credentials: readonly ApiKey[];
}

/**
 * Where a relay's credentials stand.
 *
 *   active  - one works.
 *   expired - none works, and the time of one was over by itself.
 *   revoked - none works, and somebody ended each.
 *   none    - none is known.
 */
type CredentialState = "active" | "expired" | "revoked" | "none";

/** The relays that were ever attached and those that credentials name, by name. */
export function knownRelays(relays: readonly Relay[], keys: readonly ApiKey[]): KnownRelay[] {
  const byName = new Map(relays.map((relay) => [relay.name, relay]));
  const names = new Set([...byName.keys(), ...keys.map(({ relayName }) => relayName)]);
  return [...names].sort().map((name) => ({
    name,
    relay: byName.get(name),
    credentials: keys.filter(({ relayName }) => relayName === name),
  }));
}

/** True for one that is away and was sent away: nobody waits for it. One whose time ran out may be missed. */
export function isRetired(known: KnownRelay): boolean {
  const state = credentialState(known);
  return known.relay?.state !== Relay_State.ATTACHED && (state === "revoked" || state === "none");
}

/** The relays as lines, with a head. */
export function relayTable(
  relays: readonly KnownRelay[],
  terminal: Pick<Terminal, "t" | "now" | "locale" | "columns">,
): string[] {
  const { t, columns } = terminal;
  const head = [
    t("NAME", "名称"),
    t("STATE", "状态"),
    t("SINCE", "自"),
    t("VERSION", "版本"),
    t("ADDRESS", "地址"),
    t("CHANNELS", "渠道"),
    t("WAITING", "待交"),
    t("CREDENTIAL", "凭证"),
    t("WHY", "原因"),
  ];
  const rows = relays.map((known) => {
    const { name, relay } = known;
    return [
      oneLine(name),
      stateWords(relay, t),
      when(relay?.detachTime ?? relay?.attachTime, terminal),
      oneLine(relay?.softwareVersion ?? "") || "–",
      oneLine(relay?.address ?? "") || "–",
      oneLine(relay?.channels.map(({ channelId }) => channelId).join(", ") ?? "") || "–",
      relay ? String(relay.waitingInbounds) : "–",
      credentialWords(known, terminal),
      oneLine(relay?.detachReason ?? "") || "–",
    ];
  });
  return tableLines([head, ...rows], { columns, flexible: 8 });
}

/** A relay on one line, for scripts. */
export function relayJson(known: KnownRelay): string {
  const { name, relay, credentials } = known;
  return JSON.stringify({
    name,
    state: !relay ? "never_attached" : relay.state === Relay_State.ATTACHED ? "attached" : "detached",
    credential: credentialState(known),
    relay: relay ? contractJson(RelaySchema, relay) : null,
    credentials: credentials.map((key) => contractJson(ApiKeySchema, key)),
  });
}

function credentialState({ credentials }: KnownRelay): CredentialState {
  if (credentials.some(({ state }) => state === ApiKey_State.ACTIVE)) return "active";
  if (credentials.some(({ state }) => state === ApiKey_State.EXPIRED)) return "expired";
  return credentials.length > 0 ? "revoked" : "none";
}

function stateWords(relay: Relay | undefined, t: Terminal["t"]): string {
  if (!relay) return t("never attached", "从未接入");
  return relay.state === Relay_State.ATTACHED ? t("attached", "已接入") : t("detached", "已断开");
}

function credentialWords(known: KnownRelay, terminal: Pick<Terminal, "t" | "now" | "locale">): string {
  const { t } = terminal;
  switch (credentialState(known)) {
    case "active": {
      const working = known.credentials.filter(({ state }) => state === ApiKey_State.ACTIVE);
      // After a rotation two work for a while; the newest is the one that goes on.
      const ends = working[0]?.expireTime;
      return ends ? t(`ends ${when(ends, terminal)}`, `${when(ends, terminal)}到期`) : t("works", "有效");
    }
    case "expired":
      return t("expired", "已到期");
    case "revoked":
      return t("revoked", "已吊销");
    case "none":
      return t("none", "无");
  }
}
