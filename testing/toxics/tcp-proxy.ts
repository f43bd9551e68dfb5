// A network of the tests' own between two parties, which can be made bad and good again.
//
// Y1. What is carried keeps its order, also while the toxic changes.
// Y2. A toxic holds for connections that are there and for those that come. Healing lets go what was held back.
// Y3. A party that reads slowly slows the other down; the proxy itself keeps no more than a megabyte for it.

import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Toxic } from "./toxics.ts";

const MOST_HELD_BYTES = 1024 * 1024;
/** Bandwidth is dealt out in portions of this time. */
const PORTION_MS = 50;

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it carries now. */
  readonly connections: number;
  /** Makes the network bad in this way, and no longer in another. */
  poison(toxic: Toxic): void;
  heal(): void;
}

/** Starts a proxy on a free port of loopback that leads to `port` there. */
export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let toxic: Toxic | undefined;
  let changed = Promise.withResolvers<void>();
  const network: Network = {
    get toxic() {
      return toxic;
    },
    get changed() {
      return changed.promise;
    },
  };
  const change = (next: Toxic | undefined) => {
    toxic = next;
    for (const pair of pairs) {
      pair.carried = 0;
      if (next?.kind === "reset_peer") pair.reset();
    }
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  // Half open, so that what one party still has to say arrives after the other has ended.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (toxic?.kind === "reset_peer") {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: target.port, host: "127.0.0.1", allowHalfOpen: true });
    const pair = new Pair(near, far, network);
    pairs.add(pair);
    void pair.gone.then(() => pairs.delete(pair));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    get connections() {
      return pairs.size;
    },
    poison: change,
    heal: () => change(undefined),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const pair of pairs) pair.destroy();
      change(undefined); // whoever waits for that goes on, into closed sockets
      await closed;
    },
  };
}

interface Network {
  readonly toxic: Toxic | undefined;
  /** Resolves when the toxic becomes another. */
  readonly changed: Promise<void>;
}

/** A connection of one party and ours to the other. */
class Pair {
  /** Bytes of both ways since the toxic became what it is. */
  carried = 0;
  readonly gone: Promise<void>;
  readonly #near: Socket;
  readonly #far: Socket;

  constructor(near: Socket, far: Socket, network: Network) {
    this.#near = near;
    this.#far = far;
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.destroy());
    }
    this.gone = Promise.all(
      [near, far].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()))),
    ).then(() => {});
    carry(near, far, this, network);
    carry(far, near, this, network);
  }

  destroy(): void {
    this.#near.destroy();
    this.#far.destroy();
  }

  reset(): void {
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }
}

/** Carries one way of a pair. */
function carry(from: Socket, to: Socket, pair: Pair, network: Network): void {
  let held = 0;
  let line = Promise.resolve();
  const inLine = (work: () => Promise<void> | void) => {
    line = line.then(work).catch(() => pair.destroy());
  };
  from.on("data", (chunk: Buffer) => {
    held += chunk.length;
    if (held > MOST_HELD_BYTES) from.pause();
    const due = performance.now() + delayOf(network.toxic);
    inLine(async () => {
      const early = due - performance.now();
      if (early > 0) await pause(early);
      await deliver(chunk, to, pair, network);
      held -= chunk.length;
      if (held <= MOST_HELD_BYTES) from.resume();
    });
  });
  from.once("end", () =>
    inLine(async () => {
      await untilItFlows(network);
      to.end();
    }),
  );
  from.once("close", (hadError) => {
    if (hadError) pair.destroy();
  });
}

function delayOf(toxic: Toxic | undefined): number {
  if (toxic?.kind !== "latency") return 0;
  return Math.max(0, toxic.latencyMs + (Math.random() * 2 - 1) * toxic.jitterMs);
}

async function untilItFlows(network: Network): Promise<void> {
  while (network.toxic?.kind === "timeout") await network.changed;
}

async function deliver(chunk: Buffer, to: Socket, pair: Pair, network: Network): Promise<void> {
  await untilItFlows(network);
  const { toxic } = network;
  if (toxic?.kind === "limit_data" && pair.carried + chunk.length >= toxic.bytes) {
    await write(to, chunk.subarray(0, toxic.bytes - pair.carried));
    pair.destroy();
    return;
  }
  pair.carried += chunk.length;
  for (const { piece, afterMs } of piecesOf(chunk, toxic)) {
    await write(to, piece);
    if (afterMs > 0 && network.toxic === toxic) await pause(afterMs);
  }
}

function* piecesOf(chunk: Buffer, toxic: Toxic | undefined): Generator<{ piece: Buffer; afterMs: number }> {
  const size =
    toxic?.kind === "slicer"
      ? toxic.bytes
      : toxic?.kind === "bandwidth"
        ? Math.max(1, Math.floor((toxic.bytesPerSecond * PORTION_MS) / 1000))
        : chunk.length;
  for (let start = 0; start < chunk.length; start += size) {
    const piece = chunk.subarray(start, start + size);
    if (toxic?.kind === "slicer") yield { piece, afterMs: toxic.delayMs };
    else if (toxic?.kind === "bandwidth") {
      yield { piece, afterMs: (piece.length / toxic.bytesPerSecond) * 1000 };
    } else yield { piece, afterMs: 0 };
  }
}

/** Resolves when the other side has room again, or is gone. */
function write(to: Socket, piece: Buffer): Promise<void> | void {
  if (to.destroyed || to.write(piece)) return;
  return new Promise((resolve) => {
    to.once("drain", resolve);
    to.once("close", () => resolve());
  });
}
