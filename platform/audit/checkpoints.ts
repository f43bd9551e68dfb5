// The checkpoints of the audit logs: signed statements of how every chain ends, in a second place.
//
// C1. One is written a minute after the last, or when 1,000 records were added, whichever comes first, when the server
//     starts and when it ends; none while nothing was added.
// C2. Each has a number and the digest of the one before, so that none can be taken out. It is on disk before the
//     databases remember it, and they remember the last, so that none can be cut off the end.
// C3. What is not there to follow is not followed: after a cut the numbers go on from what the databases remember, and
//     the gap is seen for ever.
// C4. The file only grows, so that it may stand where nothing can be taken back. What a crash left unfinished at its end
//     stays there, and the next checkpoint says that it is nothing.
// C5. A checkpoint that cannot be written is tried again and stops nothing: the records themselves are safe.
// C5. Where several processes write to one file, one does at a time, and goes on from what it finds there.
//
// What they are worth is where they are: on a disk that whoever could change the databases cannot write to, or copied
// away line by line. Who can put back older copies of both places at once is not found out.

import { mkdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SigningKey } from "../signing/signing-key.ts";
import type { Log } from "../telemetry/log.ts";
import { checkpointsWritten } from "../telemetry/metrics.ts";
import type { AuditLog, KnownCheckpoint } from "./audit-log.ts";
import { checkpointLine, lineDigest, readCheckpoint } from "./checkpoint.ts";

export const CHECKPOINT_INTERVAL_MS = 60_000;
export const CHECKPOINT_RECORDS = 1_000;
const READ_BYTES = 65_536;

export interface Checkpoints {
  /** Resolves when what is on disk now is stated, or with a warning in the log where it cannot be. */
  write(): Promise<void>;
  /** Writes the last one and stops. Before the databases close. Idempotent. */
  close(): Promise<void>;
}

/** Where checkpoints are written when nothing else is said. */
export function defaultCheckpointsPath(dataDir: string): string {
  return join(dataDir, "audit", "checkpoints.jsonl");
}

/** Begins to write checkpoints. */
export function startCheckpoints({
  logs,
  signingKey,
  dataDir,
  path = defaultCheckpointsPath(dataDir),
  now,
  log,
}: {
  logs: readonly AuditLog[];
  signingKey: SigningKey;
  dataDir: string;
  /** HIL_AUDIT_CHECKPOINTS. */
  path?: string;
  now: () => Date;
  log: Log;
}): Checkpoints {
  const appended = () => logs.reduce((sum, each) => sum + each.appended, 0);
  const isShared = logs.some((each) => each.isShared);
  let statedUpTo = 0;
  let last: KnownCheckpoint | undefined;
  let file: FileHandle | undefined;
  let fileEnd = 0;
  let unfinished: readonly string[] = [];
  let running: Promise<void> | undefined;
  let due = false;
  let closed = false;

  const writeOne = async () => {
    for (const each of logs) await each.open(now());
    if (isShared) await closeFile();
    file ??= await openFile();
    statedUpTo = appended();
    const heads = await Promise.all(
      logs.map(async (each) => ({ log: each, heads: await each.unstatedHeads() })),
    );
    const chains = heads.flatMap(({ log: { service }, heads: ends }) =>
      ends.map(({ tenantId, count, seal }) => ({
        service,
        tenant_id: tenantId,
        count,
        seal: Buffer.from(seal).toString("hex"),
      })),
    );
    if (chains.length === 0) return;
    const number = (last?.number ?? 0) + 1;
    const previous = last ? Buffer.from(last.digest).toString("hex") : "";
    const text = checkpointLine(
      { number, time: now().toISOString(), previous, unfinished, chains },
      signingKey,
    );
    if (isShared && (await file.stat()).size !== fileEnd) {
      // This process was held up for so long that it lost its turn (C5).
      throw new Error("another process wrote a checkpoint meanwhile");
    }
    await file.appendFile(`${text}\n`);
    await file.datasync();
    const checkpoint: KnownCheckpoint = { number, digest: lineDigest(text) };
    last = checkpoint;
    checkpointsWritten.inc();
    unfinished = [];
    await Promise.all(
      heads
        .filter(({ heads: ends }) => ends.length > 0)
        .map(({ log: each, heads: ends }) => each.markStated(ends, checkpoint)),
    );
  };

  /** Opens the file and finds the place to go on from (C3). */
  const openFile = async (): Promise<FileHandle> => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const opened = await open(path, "a+", 0o600);
    try {
      const end = await readEnd(opened, signingKey);
      if (end.isCut) await opened.appendFile("\n");
      unfinished = end.unfinished;
      for (const known of [end.last, ...(await Promise.all(logs.map((each) => each.knownCheckpoint())))]) {
        if (known && known.number > (last?.number ?? 0)) last = known;
      }
      fileEnd = (await opened.stat()).size;
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  };

  const closeFile = async () => {
    await file?.close().catch(() => {}); // what was written is synchronised already
    file = undefined;
  };

  const run = async () => {
    while (due) {
      due = false;
      try {
        await (logs[0] ? logs[0].alone(writeOne) : writeOne());
      } catch (error) {
        log.warn({ err: error, path }, "an audit checkpoint could not be written; trying again in a minute");
        // Half a line may have been written; opening again ends it.
        await closeFile();
      }
    }
    running = undefined;
  };
  const write = async (): Promise<void> => {
    if (closed) return;
    due = true;
    running ??= run();
    await running;
  };

  const timer = setInterval(() => void write(), CHECKPOINT_INTERVAL_MS);
  timer.unref();
  const stopListening = logs.map((each) =>
    each.afterCommit(() => {
      if (!due && appended() - statedUpTo >= CHECKPOINT_RECORDS) void write();
    }),
  );
  void write();

  let closing: Promise<void> | undefined;
  return {
    write,
    close() {
      closing ??= (async () => {
        clearInterval(timer);
        for (const stop of stopListening) stop();
        await write();
        closed = true;
        await closeFile();
      })();
      return closing;
    },
  };
}

/** How a file of checkpoints ends. */
interface FileEnd {
  /** The last line that is a checkpoint of ours. */
  readonly last: KnownCheckpoint | undefined;
  /** SHA-256 of each line after it. */
  readonly unfinished: readonly string[];
  /** The last of those has no line break. */
  readonly isCut: boolean;
}

async function readEnd(file: FileHandle, signingKey: SigningKey): Promise<FileEnd> {
  let { size: start } = await file.stat();
  let bytes = Buffer.alloc(0);
  for (;;) {
    const length = Math.min(READ_BYTES, start);
    start -= length;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
    bytes = Buffer.concat([buffer, bytes]);
    const lines = bytes.toString("latin1").split("\n");
    const isCut = lines.at(-1) !== "";
    if (!isCut) lines.pop();
    const unfinished: string[] = [];
    // The first of the lines is whole only where it is the first of the file.
    for (const line of lines.slice(start > 0 ? 1 : 0).toReversed()) {
      const reading = readCheckpoint(line, signingKey.publicJwks);
      const digest = lineDigest(line);
      if ("checkpoint" in reading) {
        const { number } = reading.checkpoint;
        return { last: { number, digest }, unfinished, isCut };
      }
      unfinished.push(digest.toString("hex"));
    }
    if (start === 0) return { last: undefined, unfinished, isCut };
  }
}
