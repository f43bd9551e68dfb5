// The relays of a delivery service: where they attach, which are attached, and the channels that they run.

import type { Client } from "@connectrpc/connect";
import type { Channel, SendingChannel } from "@hil/channels/channel.ts";
import type { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import type { RelayChannel } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { relayStreams } from "@hil/platform/telemetry/metrics.ts";
import type { ChannelDirectory } from "../channel-directory.ts";
import type { DeliveryStore, Line } from "../delivery-store.ts";
import manifest from "../package.json" with { type: "json" };
import { AttachedRelays, type Runners } from "./attached-relays.ts";
import type { RelayConfig } from "./config.ts";
import { createRelayIntake } from "./relay-intake.ts";
import { type RelayListener, startRelayListener } from "./relay-listener.ts";
import { createAttachHandler, type Rights } from "./relay-service.ts";
import { createRelayedChannel } from "./relayed-channel.ts";

/** How long commands under way have when the process ends. */
const DRAIN_GRACE_MS = 4_000;
/** When lines are looked at after a relay attached: what another process put to rest meanwhile is found by the later looks. */
const WAKE_AFTER_MS = [0, 1_000, 3_000];
const NO_RELAY_YET =
  "no robot is configured: set BOT_KEY, or attach a relay that has its key; the question is shown in the console";

export interface RelaysOptions {
  readonly store: DeliveryStore;
  readonly callbacks: Pick<Client<typeof CallbackService>, "ingestInbound">;
  readonly authenticate: Authenticate;
  readonly settings: { readonly relays: RelayConfig };
  readonly servesRelays?: boolean;
  readonly log: Log;
  readonly now: () => Date;
  /** Called with lines that may be worked on now. */
  readonly onWake: (lines: readonly Line[]) => void;
}

export interface Relays {
  readonly attached: AttachedRelays;
  readonly port: number | undefined;
  /** A channel of the deployment as it is reached: by relays, where the settings say so. */
  ofDeployment(channel: Channel): Channel;
  /** Learns what was there before this process. */
  recall(): Promise<void>;
  /** Lets relays attach, where they are served. */
  listen(channels: ChannelDirectory): Promise<void>;
  /** Tells relays to go elsewhere, and lets commands under way end. Idempotent. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export function openRelays(options: RelaysOptions): Relays {
  const { store, settings, log, now, onWake } = options;
  const { robotWay, isAskedFor, listener: config } = settings.relays;
  const isShared = store.sharing !== undefined;
  const attached = new AttachedRelays({ store, isShared, log, now });
  const stopFigures = relayStreams.from(() => attached.size);
  const timers = new Set<NodeJS.Timeout>();
  let listener: RelayListener | undefined;
  /** The deployment's robot: once a relay that runs it was there, it is the relays' for good. */
  let robot: { readonly runners: Runners; wasThere: boolean } | undefined;

  const wake = async (tenantId: string, channelIds: readonly string[]) => {
    for (const channelId of channelIds) {
      const isOfDeployment = channelId === robot?.runners.channelId;
      if (isOfDeployment) robot!.wasThere = true;
      onWake(await store.wakeLines(isOfDeployment ? undefined : tenantId, channelId, now().getTime()));
    }
  };
  const wakeLater = (tenantId: string, channelIds: readonly string[]) => {
    for (const afterMs of WAKE_AFTER_MS) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        wake(tenantId, channelIds).catch((error: unknown) => {
          log.debug({ err: error }, "lines could not be woken for a relay; they are looked at in time");
        });
      }, afterMs);
      timers.add(timer);
    }
  };

  let draining: Promise<void> | undefined;
  const drain = async () => {
    for (const timer of timers) clearTimeout(timer);
    await attached.close(DRAIN_GRACE_MS);
  };

  return {
    attached,
    get port() {
      return listener?.port;
    },

    ofDeployment(channel) {
      if (channel.mode !== "sends" || robotWay === "direct") return channel;
      const own = {
        runners: { tenantId: DEFAULT_TENANT, names: undefined, channelId: channel.id },
        wasThere: false,
      };
      robot = own;
      return createRelayedChannel(channel, {
        relays: attached,
        runners: own.runners,
        missing: () => (own.wasThere || robotWay === "relay" ? undefined : NO_RELAY_YET),
      });
    },

    async recall() {
      if (!robot || robotWay === "relay") return;
      const { channelId } = robot.runners;
      const relays = await attached.known(DEFAULT_TENANT);
      robot.wasThere = relays.some(({ channels }) => channels.some((each) => each.channelId === channelId));
    },

    async listen(channels) {
      if (!(options.servesRelays ?? isAskedFor)) return;
      const attach = createAttachHandler({
        authenticate: options.authenticate,
        store,
        relays: attached,
        intake: createRelayIntake({ callbacks: options.callbacks, store, relays: attached, log }),
        rightsOf: (relay, offered) => rightsOf(relay, offered, channels),
        onAttached: wakeLater,
        softwareVersion: manifest.version,
        log,
        now,
      });
      listener = await startRelayListener({ config, attach });
      log.info(
        { host: config.host, port: listener.port, tls: config.tls !== undefined },
        "relays attach here",
      );
    },

    drain() {
      draining ??= drain();
      return draining;
    },

    async close() {
      stopFigures();
      listener?.close();
    },
  };
}

/** What a relay may run of what it offers: the channels that its tenant says it runs. */
async function rightsOf(
  { tenantId, name }: { tenantId: string; name: string },
  offered: readonly RelayChannel[],
  channels: ChannelDirectory,
): Promise<Rights> {
  const allowed: RelayChannel[] = [];
  const refused: { channelId: string; reason: string }[] = [];
  for (const each of offered) {
    const reason = await refusalOf(each);
    if (reason === undefined) allowed.push(each);
    else refused.push({ channelId: each.channelId, reason });
  }
  return { allowed, refused };

  async function refusalOf({ channelId, kind }: RelayChannel): Promise<string | undefined> {
    const channel = await channels.get(tenantId, channelId);
    if (!channel)
      return `the tenant has no channel ${JSON.stringify(channelId)}; add it, with this relay in relay_names`;
    if (channel.kind !== kind) return "the channel is of another kind";
    if (channels.ofDeployment(channelId)) return refusalOfDeployment(tenantId, channel);
    const stored = await channels.stored(tenantId, channelId);
    if (stored?.settings.relayNames.includes(name)) return undefined;
    return `the channel's relay_names do not have ${JSON.stringify(name)}`;
  }
}

function refusalOfDeployment(tenantId: string, channel: Channel): string | undefined {
  if (!(channel as SendingChannel).attachedRelays) {
    return "HIL reaches this robot itself, for BOT_KEY is set there; unset it, or set HIL_MODE=relay";
  }
  if (tenantId === DEFAULT_TENANT) return undefined;
  return `the deployment's robot is run by relays of ${DEFAULT_TENANT}; add a channel of the tenant's own`;
}
