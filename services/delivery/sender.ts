// Sends what waits.
//
// D1. A try is SENDING on disk before the vendor is called, and its result is on disk before the next part is sent.
//     A process that dies between the two leaves UNKNOWN behind: the same messages go out again (reliability R4).
// D2. What goes out again starts at the first part that is not known to be sent.
// D3. The messages of one line (a chat) go out one after the other; tenants take turns, and the lines of each, so none
//     waits for another's limits. A channel has at most `concurrency` sends under way.
// D4. A line is looked at when something was put into it and when its next try is due. Where processes share the store,
//     each works on the lines that it claims (D3 holds over all of them), and looks once a second for what others left.
// D5. What is known of a send is written down with patience: without it, the message would be shown again.
// D6. What relays carry is worked on where one of them is attached. Another process leaves it to that one and says so; where
//     none is attached it waits, and the delivery says for what.

import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Message, Part, Place, SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { countAttempt } from "./attempt-figures.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import { Claims } from "./claims.ts";
import {
  barrierOf,
  gaveUp,
  passesOver,
  type RetryPolicy,
  type StoredDelivery,
  settle,
  type TryEnd,
} from "./delivery.ts";
import type { Claim, ClaimedLine, DeliveryStore, Line } from "./delivery-store.ts";
import { FairQueue } from "./fair-queue.ts";
import type { RelayFence } from "./relay/relay-store.ts";
import { fenceOf } from "./relay/relayed-channel.ts";
import type { TenantRules } from "./tenant-rules.ts";
import type { Turns } from "./turns.ts";

/** How long sends under way may take when the service closes. */
const CLOSE_PATIENCE_MS = 5_000;
const PICTURE_PATIENCE_MS = 10_000;
/** A timer never sleeps longer, so that a clock that was set forward is noticed. */
const LONGEST_SLEEP_MS = 60_000;
/** How long a line rests after our own database or code failed it. */
const FAULT_REST_MS = 1_000;
/** How long it rests where no relay is attached that can send: one that attaches wakes it. */
const AWAY_REST_MS = 30_000;
/** How long it rests where another service does not answer yet. */
const UNAVAILABLE_REST_MS = 200;
/** How long the result of a send waits for a database that is away (D5). */
const WRITE_PATIENCE_MS = 60_000;
const WRITE_RETRY_MS = 200;

/** What a try comes to whose end was told on a stream that is not its relay's newest any more (I9). */
const STALE_WORD: TryEnd = {
  kind: "stopped",
  outcome: { kind: "unknown", reason: "a newer stream of the relay took the place of the one that had this" },
};

export interface SenderOptions {
  readonly store: DeliveryStore;
  readonly channels: Pick<ChannelDirectory, "get" | "groupOf" | "concurrencyOf">;
  readonly turns: Turns;
  /** What holds for the messages of a tenant. */
  readonly rulesOf: (tenantId: string) => TenantRules | Promise<TenantRules>;
  readonly sessions: Pick<Client<typeof SessionService>, "getAttachment">;
  readonly retry: RetryPolicy;
  readonly log: Log;
  readonly now: () => Date;
  /** Called after each change that the session service has to be told. */
  readonly onChange: () => void;
  /** Called with a line that something was put into and that only another process can work on. Default: it finds it by itself. */
  readonly onElsewhere?: (line: Line) => void;
}

/** A line in which something waits. It is running, ready, or parked until its next try is due. */
interface ActiveLine extends Line {
  /** Whose limit of concurrency it is under. */
  readonly group: string;
  running: boolean;
  ready: boolean;
  /** Something was put into it while it ran. */
  kicked: boolean;
  /** Something was put into it here, and whoever else may have to work on it was not told. */
  untold: boolean;
}

/** A line that is worked on. */
interface Work extends ClaimedLine {
  /** Aborted when another process has the line. */
  readonly lost: AbortSignal;
  /** Its channel. Undefined: there is none that sends. */
  readonly channel: SendingChannel | undefined;
  readonly place: Exclude<Place, { kind: "elsewhere" }>;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #claims: Claims;
  readonly #lines = new Map<string, ActiveLine>();
  /** By group: lines that may be looked at now. */
  readonly #ready = new Map<string, FairQueue<ActiveLine>>();
  /** Lines that rest, and until when in milliseconds since 1970. */
  readonly #parked = new Map<ActiveLine, number>();
  /** By group: how many lines run. */
  readonly #underWay = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  readonly #cut = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#claims = new Claims({ sharing: options.store.sharing, log: options.log });
  }

  /** Takes up what an earlier process left. */
  async start(): Promise<void> {
    const recovered = await this.#options.store.recover(this.#nowMs());
    if (recovered > 0) {
      this.#options.log.warn({ deliveries: recovered }, "sending again what a stop cut off in the middle");
      this.#options.onChange();
    }
    await this.look();
  }

  /** Takes up what waits in the store and is nobody's. */
  async look(): Promise<void> {
    this.wake(await this.#options.store.waitingLines(this.#nowMs()));
  }

  /** Says that something was put into these lines here. */
  kick(lines: readonly Line[]): void {
    this.#activate(lines, true);
  }

  /** Says that these lines may be worked on now. */
  wake(lines: readonly Line[]): void {
    this.#activate(lines, false);
  }

  #activate(lines: readonly Line[], untold: boolean): void {
    for (const { tenantId, channelId, line } of lines) {
      const name = JSON.stringify([tenantId, channelId, line]);
      let active = this.#lines.get(name);
      if (!active) {
        const group = this.#options.channels.groupOf(tenantId, channelId);
        active = { tenantId, channelId, line, group, running: false, ready: false, kicked: false, untold };
        this.#lines.set(name, active);
      }
      active.untold ||= untold;
      this.#makeReady(active);
    }
    this.#pump();
  }

  /** Lets sends under way end for up to 5 s, then cuts them: those are UNKNOWN. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    const patience = setTimeout(() => this.#cut.abort(), CLOSE_PATIENCE_MS);
    await Promise.all(this.#running);
    clearTimeout(patience);
  }

  #makeReady(line: ActiveLine): void {
    this.#parked.delete(line);
    line.kicked = line.running; // a running line is looked at again when its step ends
    if (line.running || line.ready) return;
    line.ready = true;
    let queue = this.#ready.get(line.group);
    if (!queue) {
      queue = new FairQueue();
      this.#ready.set(line.group, queue);
    }
    queue.push(line);
  }

  #pump(): void {
    if (this.#closing) return;
    const { channels } = this.#options;
    for (const [group, queue] of this.#ready) {
      while (
        !queue.isEmpty &&
        (this.#underWay.get(group) ?? 0) < channels.concurrencyOf(queue.first!.channelId)
      ) {
        this.#run(queue.shift()!);
      }
      if (queue.isEmpty) this.#ready.delete(group);
    }
    this.#sleep();
  }

  #run(line: ActiveLine): void {
    line.ready = false;
    line.running = true;
    this.#underWay.set(line.group, (this.#underWay.get(line.group) ?? 0) + 1);
    const step = this.#step(line)
      .catch((error: unknown) => this.#nowMs() + this.#restAfter(error, line))
      .then((next) => {
        this.#running.delete(step);
        line.running = false;
        const underWay = this.#underWay.get(line.group)! - 1;
        if (underWay > 0) this.#underWay.set(line.group, underWay);
        else this.#underWay.delete(line.group);
        if (next === "again" || line.kicked) this.#makeReady(line);
        else if (next === "empty") this.#forget(line);
        else this.#parked.set(line, next);
        this.#pump();
      });
    this.#running.add(step);
  }

  #restAfter(error: unknown, { tenantId, channelId }: Line): number {
    const { log } = this.#options;
    const fields = { err: error, tenant_id: tenantId, channel_id: channelId };
    if (ConnectError.from(error).code === Code.Unavailable) {
      log.debug(fields, "a delivery waits for another service");
      return UNAVAILABLE_REST_MS;
    }
    log.error(fields, "a delivery could not be worked on");
    return FAULT_REST_MS;
  }

  #forget({ tenantId, channelId, line }: Line): void {
    this.#lines.delete(JSON.stringify([tenantId, channelId, line]));
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    if (this.#parked.size === 0) return;
    let earliest = Number.POSITIVE_INFINITY;
    for (const until of this.#parked.values()) earliest = Math.min(earliest, until);
    const sleepMs = Math.min(Math.max(0, earliest - this.#nowMs()), LONGEST_SLEEP_MS);
    this.#timer = setTimeout(() => {
      const nowMs = this.#nowMs();
      for (const [line, until] of this.#parked) if (until <= nowMs) this.#makeReady(line);
      this.#pump();
    }, sleepMs);
    this.#timer.unref();
  }

  /** Works on the first delivery of a line. Returns when to look at the line again. */
  async #step(line: ActiveLine): Promise<"again" | "empty" | number> {
    const { store, channels } = this.#options;
    const found = await channels.get(line.tenantId, line.channelId);
    const channel = found?.mode === "sends" ? found : undefined;
    const place: Place = (await channel?.place?.()) ?? { kind: "here" };
    if (place.kind === "elsewhere") {
      if (line.untold) this.#options.onElsewhere?.(line);
      return "empty"; // the other process looks once a second, whatever it heard
    }
    line.untold = false;
    const claimed = await store.claim(line, this.#nowMs());
    if (!claimed) return "empty"; // or another process's, which will look at it again
    using held = this.#claims.hold(claimed.claim);
    try {
      return await this.#work({ ...claimed, lost: held.lost, channel, place });
    } catch (error) {
      // Where that fails too the claim runs out by itself.
      await store.release(claimed.claim, this.#nowMs() + UNAVAILABLE_REST_MS).catch(() => {});
      throw error;
    }
  }

  async #work({ claim, first: delivery, lost, channel, place }: Work): Promise<"again" | number> {
    const { store, turns, rulesOf } = this.#options;
    const rules = await rulesOf(claim.tenantId);
    const nowMs = this.#nowMs();
    const barrier = barrierOf(delivery, channel, rules);
    if (barrier) return this.#end(claim, delivery, barrier.state, barrier.reason);
    if (nowMs >= delivery.giveUpTimeMs) {
      return this.#end(claim, delivery, Delivery_State.FAILED, gaveUp(delivery));
    }
    if (delivery.nextTimeMs! > nowMs) {
      await store.release(claim);
      return delivery.nextTimeMs!;
    }
    const sendTimeMs = rules.sendTime(nowMs, delivery.giveUpTimeMs);
    if (sendTimeMs > nowMs) {
      await store.postpone(claim, delivery, sendTimeMs);
      return "again";
    }
    if (place.kind === "nowhere") {
      const untilMs = Math.min(nowMs + AWAY_REST_MS, delivery.giveUpTimeMs);
      await store.hold(claim, delivery, place.reason, untilMs, nowMs);
      this.#options.onChange();
      return untilMs;
    }
    const waitMs = await turns.take(claim.tenantId, channel!, delivery);
    if (waitMs > 0) {
      const untilMs = Math.min(nowMs + waitMs, delivery.giveUpTimeMs);
      await store.release(claim, untilMs);
      return untilMs;
    }
    failpoint("delivery.before_begin");
    const begun = await store.begin(claim, delivery, nowMs);
    if (begun) await this.#try(claim, begun, channel!, lost);
    else await store.release(claim);
    return "again";
  }

  async #end(
    claim: Claim,
    delivery: StoredDelivery,
    state: Delivery_State,
    reason: string,
  ): Promise<"again"> {
    await this.#options.store.end(claim, delivery, state, reason, this.#nowMs());
    this.#options.onChange();
    return "again";
  }

  /** One try: sends the parts that are left, as far as it comes. Its first part has its turn. */
  async #try(claim: Claim, begun: StoredDelivery, channel: SendingChannel, lost: AbortSignal): Promise<void> {
    const { store, retry, log } = this.#options;
    failpoint("delivery.before_send");
    const { end, fence } = await this.#sendParts(claim, begun, channel, lost);
    failpoint("delivery.after_send");
    const fields = {
      tenant_id: begun.tenantId,
      delivery_id: begun.id,
      session_id: begun.sessionId,
      attempt: begun.attemptCount,
    };
    const nowMs = this.#nowMs();
    const finish = (how: TryEnd, relay?: RelayFence) => {
      const decide = (delivery: StoredDelivery) => settle(delivery, how, nowMs, retry);
      return this.#surely(() => store.finish(claim, begun, decide, nowMs, relay));
    };
    let finished = end !== undefined && (await finish(end, fence));
    if (end !== undefined && !finished && fence) finished = await finish(STALE_WORD); // or the line is lost
    failpoint("delivery.after_finish");
    if (end === undefined || !finished) {
      log.warn(fields, "another process has this delivery now; what became of this try was not kept");
      return;
    }
    countAttempt(channel, end);
    if (end.kind === "stopped")
      log.warn({ ...fields, reason: end.outcome.reason }, "a delivery was not taken");
    else log.debug(fields, end.kind === "sent" ? "delivered" : "a delivery waits in the middle");
    if (begun.sessionId !== "") this.#options.onChange();
  }

  /** `end` undefined: the line was lost on the way. `fence`: the stream of a relay that said so. */
  async #sendParts(
    claim: Claim,
    begun: StoredDelivery,
    channel: SendingChannel,
    lost: AbortSignal,
  ): Promise<{ end: TryEnd | undefined; fence?: RelayFence | undefined }> {
    const { store, turns, log } = this.#options;
    const { parts } = begun;
    const failed = (error: unknown) => {
      log.error({ err: error, channel_id: channel.id }, "a channel's health could not be noted");
    };
    const signal = AbortSignal.any([this.#cut.signal, lost]);
    let delivery = begun;
    while (delivery.partsSent < parts.length) {
      if (lost.aborted) return { end: undefined };
      const part = parts[delivery.partsSent]!;
      const outcome = await this.#sendPart(delivery, part, channel, signal);
      const fence = fenceOf(outcome);
      // Not awaited: it goes into the same commit as what follows.
      store.noteSend(delivery, failureOf(outcome), this.#nowMs()).catch(failed);
      if (outcome.kind === "retryable" && outcome.retryAfterMs !== undefined) {
        await turns.stop(claim.tenantId, channel, outcome.retryAfterMs).catch(failed);
      }
      if (outcome.kind !== "delivered") {
        if (!passesOver(part, outcome, delivery.partTries)) {
          return { end: { kind: "stopped", outcome }, fence };
        }
        log.warn({ delivery_id: delivery.id, reason: outcome.reason }, "a picture is left out");
      }
      if (delivery.partsSent + 1 === parts.length) return { end: { kind: "sent" }, fence };
      const before = delivery;
      const after = await this.#surely(() => store.finishPart(claim, before, this.#nowMs(), fence));
      if (!after) return { end: fence && STALE_WORD }; // or the line is lost, which finishing finds out
      delivery = after;
      const reason = await this.#pauseReason(delivery, channel);
      if (reason !== undefined)
        return { end: { kind: "paused", reason: `after part ${delivery.partsSent}: ${reason}` } };
    }
    return { end: { kind: "sent" } };
  }

  /** Why the next part does not go out now. Undefined: it does, and its turn is taken. */
  async #pauseReason(delivery: StoredDelivery, channel: SendingChannel): Promise<string | undefined> {
    if (this.#closing) return "the service stops";
    if (delivery.withdrawn !== undefined) return delivery.withdrawn;
    const waitMs = await this.#surely(() => this.#options.turns.take(delivery.tenantId, channel, delivery));
    return waitMs > 0 ? "the vendor's limit of messages a minute" : undefined;
  }

  async #sendPart(
    delivery: StoredDelivery,
    part: Part,
    channel: SendingChannel,
    signal: AbortSignal,
  ): Promise<SendOutcome> {
    try {
      const { tenantId, id, partsSent, giveUpTimeMs } = delivery;
      const name = { id: `${tenantId}/${id}/${partsSent}`, expireTimeMs: giveUpTimeMs };
      return await channel.send(await this.#messageOf(delivery, part, signal), delivery, signal, name);
    } catch (error) {
      // Only reading a picture throws: a channel answers with an outcome.
      const { code } = ConnectError.from(error);
      const reason = `the picture cannot be read (${Code[code]})`;
      return code === Code.NotFound || code === Code.InvalidArgument
        ? { kind: "refused", reason, broken: false }
        : { kind: "retryable", reason };
    }
  }

  async #messageOf(
    { tenantId, sessionId }: StoredDelivery,
    part: Part,
    signal: AbortSignal,
  ): Promise<Message> {
    if (part.kind !== "image") return part;
    const { data } = await this.#options.sessions.getAttachment(
      { sessionId, number: part.number },
      {
        headers: { [TENANT_HEADER]: tenantId },
        signal,
        timeoutMs: PICTURE_PATIENCE_MS,
      },
    );
    return { kind: "image", data };
  }

  /** Writes down what happened, also where the database is away for a while. `write` must be safe to repeat. */
  async #surely<T>(write: () => Promise<T>): Promise<T> {
    for (const endMs = performance.now() + WRITE_PATIENCE_MS; ; ) {
      try {
        return await write();
      } catch (error) {
        const isAway = ConnectError.from(error).code === Code.Unavailable;
        if (!isAway || this.#cut.signal.aborted || performance.now() > endMs) throw error;
        await pause(WRITE_RETRY_MS);
      }
    }
  }

  #nowMs(): number {
    return this.#options.now().getTime();
  }
}

function failureOf(outcome: SendOutcome): { reason: string; broken: boolean } | undefined {
  if (outcome.kind === "delivered") return undefined;
  return { reason: outcome.reason, broken: outcome.kind === "refused" && outcome.broken };
}
