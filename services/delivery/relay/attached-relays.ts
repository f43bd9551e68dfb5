// The streams that this process holds, and what is known of those that others hold.
//
// R1. The database says which stream of a relay is its newest. Every second it is told which were heard of, and says which
//     are to end: because a newer one is there, or because somebody wants it (E1, E2).
// R2. A channel's message goes to a relay that is attached here. Where one is attached to another process only, the line is that
//     process's; where none is attached anywhere, it waits (I9).

import { Code, type ConnectError } from "@connectrpc/connect";
import type { Place } from "@hil/channels/channel.ts";
import type { SendCommand } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { RelayFence, RelayStore, StoredRelay } from "./relay-store.ts";
import { type CommandEnd, HEARTBEAT_MS, type RelayStream } from "./relay-stream.ts";

const BEAT_MS = 1_000;
/** How old what is known of other processes' streams may be. */
const KNOWN_MAX_AGE_MS = 500;
const MOST_RELAYS = 1_000;

/** A stream that took the place of another. */
type NewerStream = Pick<StoredRelay, "epoch" | "instanceId">;

/** The relays that may run a channel. */
export interface Runners {
  /** Whose they are. */
  readonly tenantId: string;
  /** Undefined: any that runs it. */
  readonly names: readonly string[] | undefined;
  readonly channelId: string;
}

export class AttachedRelays {
  readonly #store: RelayStore;
  readonly #isShared: boolean;
  readonly #log: Log;
  readonly #now: () => Date;
  readonly #streams = new Map<string, RelayStream>();
  readonly #known = new Map<string, { readonly atMs: number; readonly relays: Promise<StoredRelay[]> }>();
  /** What is being noted of streams that ended. */
  readonly #removing = new Set<Promise<void>>();
  readonly #beating: NodeJS.Timeout;
  #isBeating = false;
  #isClosing = false;

  constructor({
    store,
    isShared,
    log,
    now,
  }: {
    store: RelayStore;
    /** Whether other processes use the store. */
    isShared: boolean;
    log: Log;
    now: () => Date;
  }) {
    this.#store = store;
    this.#isShared = isShared;
    this.#log = log;
    this.#now = now;
    this.#beating = setInterval(() => void this.#beat(), BEAT_MS).unref();
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Takes a stream up; an earlier one of its relay ends. */
  add(stream: RelayStream): void {
    if (this.#isClosing) {
      const words = "this process of the delivery service ends; attach again";
      stream.end(words, hilError(Code.Unavailable, ErrorReason.NOT_READY, words, { retry_after_ms: "500" }));
      return;
    }
    const key = keyOf(stream.fence);
    const earlier = this.#streams.get(key);
    if (earlier && earlier.fence.epoch > stream.fence.epoch) {
      supersede(stream, { epoch: earlier.fence.epoch, instanceId: earlier.instanceId });
      return;
    }
    this.#streams.set(key, stream);
    if (earlier) supersede(earlier, { epoch: stream.fence.epoch, instanceId: stream.instanceId });
    this.#known.delete(stream.fence.tenantId);
    void stream.ended.then((reason) => this.#remove(stream, reason));
  }

  /** The relays of a tenant that were ever attached, by name, as the database had them a moment ago. */
  async known(tenantId: string): Promise<readonly StoredRelay[]> {
    const found = this.#known.get(tenantId);
    if (found && performance.now() - found.atMs < KNOWN_MAX_AGE_MS) return found.relays;
    const filter = { tenantId, attachedOnly: false, afterName: "", limit: MOST_RELAYS };
    const relays = this.#store.listRelays(filter, this.#now().getTime());
    this.#known.set(tenantId, { atMs: performance.now(), relays });
    relays.catch(() => this.#known.delete(tenantId));
    return relays;
  }

  /** The newest stream of a relay, where it is another than this and can be read. */
  async newerThan({ tenantId, name, epoch }: RelayFence): Promise<NewerStream | undefined> {
    this.#known.delete(tenantId);
    const relays = await this.known(tenantId).catch(() => []);
    return relays.find((relay) => relay.name === name && relay.epoch > epoch);
  }

  /** The names of those that run a channel and are attached. */
  async attachedNames(runners: Runners): Promise<string[]> {
    const relays = await this.known(runners.tenantId);
    return relays.filter((relay) => relay.attached && runs(relay, runners)).map(({ name }) => name);
  }

  /** Where a channel's messages can be sent from (R2). */
  async place(runners: Runners): Promise<Place> {
    if (this.#streamOf(runners)) return { kind: "here" };
    const isElsewhere = this.#isShared && (await this.attachedNames(runners)).length > 0;
    return isElsewhere ? { kind: "elsewhere" } : { kind: "nowhere", reason: awayReason(runners) };
  }

  /** Has a relay of a channel run a command, with the picture that belongs to it. Undefined: none is attached here. */
  async run(
    runners: Runners,
    command: SendCommand,
    { image, signal, patienceMs }: { image?: Uint8Array; signal: AbortSignal; patienceMs: number },
  ): Promise<{ readonly end: CommandEnd; readonly fence: RelayFence } | undefined> {
    const stream = this.#streamOf(runners);
    if (!stream) return undefined;
    const { commandId } = command;
    const giveUp = setTimeout(
      () => stream.forget(commandId, "the relay did not say in time what became of it"),
      patienceMs,
    );
    const cut = () => stream.forget(commandId, "the send was cut off here");
    signal.addEventListener("abort", cut, { once: true });
    try {
      return { end: await stream.run(command, image), fence: stream.fence };
    } finally {
      clearTimeout(giveUp);
      signal.removeEventListener("abort", cut);
    }
  }

  /** All that are held here. */
  streams(): readonly RelayStream[] {
    return [...this.#streams.values()];
  }

  /** Tells all that this process ends, lets what is under way end for so long, and ends the rest. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#beating);
    const all = this.streams();
    for (const stream of all) stream.drain("this process of the delivery service ends");
    const timer = setTimeout(() => {
      for (const stream of all) stream.end("the process ended");
    }, graceMs);
    await Promise.all(all.map(({ ended }) => ended));
    clearTimeout(timer);
    await Promise.all([...this.#removing]);
  }

  /** In the order of the channel's names, so that work goes to one of them and fails over. */
  #streamOf({ tenantId, names, channelId }: Runners): RelayStream | undefined {
    const isFit = (stream: RelayStream | undefined) =>
      stream?.takesCommands && stream.channelIds.has(channelId) ? stream : undefined;
    if (names) {
      for (const name of names) {
        const stream = isFit(this.#streams.get(keyOf({ tenantId, name })));
        if (stream) return stream;
      }
      return undefined;
    }
    for (const stream of this.#streams.values()) {
      if (stream.fence.tenantId === tenantId && isFit(stream)) return stream;
    }
    return undefined;
  }

  #remove(stream: RelayStream, reason: string): void {
    const key = keyOf(stream.fence);
    if (this.#streams.get(key) === stream) this.#streams.delete(key);
    this.#known.delete(stream.fence.tenantId);
    const { tenantId, name, epoch } = stream.fence;
    this.#log.info({ tenant_id: tenantId, relay: name, epoch, reason }, "a relay's stream ended");
    const removing = this.#store
      .detachRelay(stream.fence, reason, this.#now().getTime())
      .catch((error: unknown) => {
        this.#log.debug(
          { err: error },
          "that a stream ended could not be noted; it is not heard of any more",
        );
      })
      .finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }

  async #beat(): Promise<void> {
    if (this.#isBeating || this.#streams.size === 0) return;
    this.#isBeating = true;
    const streams = this.streams().filter(({ heardAgoMs }) => heardAgoMs < 2 * HEARTBEAT_MS);
    try {
      const words = await this.#store.heardRelays(
        streams.map(({ fence, waitingInbounds }) => ({ fence, waitingInbounds })),
        this.#now().getTime(),
      );
      for (const [index, word] of words.entries()) {
        const stream = streams[index]!;
        if (word.kind === "stale") supersede(stream, await this.newerThan(stream.fence));
        else if (word.kind === "draining") stream.drain(word.reason);
      }
    } catch (error) {
      // Nobody else can attach while the database is away.
      this.#log.debug({ err: error }, "the relays' streams could not be noted as heard");
    } finally {
      this.#isBeating = false;
    }
  }
}

function runs({ name, channels }: StoredRelay, { names, channelId }: Runners): boolean {
  return (names?.includes(name) ?? true) && channels.some((channel) => channel.channelId === channelId);
}

function awayReason({ names }: Runners): string {
  if (!names) return "waits for a relay: none that runs this channel is attached";
  return `waits for a relay: ${names.map((name) => JSON.stringify(name)).join(" or ")} is not attached`;
}

function supersede(stream: RelayStream, newer: NewerStream | undefined): void {
  const error = superseded(stream.fence, newer);
  stream.end(`a newer stream has the name ${JSON.stringify(stream.fence.name)}`, error);
}

/** Why a stream ends that is not its relay's newest any more. */
export function superseded({ name }: RelayFence, newer: NewerStream | undefined): ConnectError {
  return hilError(
    Code.Aborted,
    ErrorReason.RELAY_SUPERSEDED,
    `a newer stream has the name ${JSON.stringify(name)}; a credential is for one relay: make another for the second`,
    { relay_name: name, ...(newer && { epoch: String(newer.epoch), instance_id: newer.instanceId }) },
  );
}

function keyOf({ tenantId, name }: { tenantId: string; name: string }): string {
  return JSON.stringify([tenantId, name]);
}
