// The floor: the least that any server must do to open, answer and wake durably. A bare node:http2 server with
// group commit (all writes of one event-loop turn share one write and one fdatasync) and nothing else: no
// contracts, no authentication, no queries, one in-memory map.
//
//   POST /create  body: the question     → 16 bytes of id, once on disk
//   POST /answer  body: id + the answer  → empty, once on disk; wakes the waiters
//   POST /wait    body: id               → the answer, when there is one

import { randomBytes } from "node:crypto";
import { fdatasyncSync, openSync, writeSync } from "node:fs";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";

const file = openSync(process.argv[2]!, "a");
const answers = new Map<string, Buffer | undefined>();
const waiters = new Map<string, http2.ServerHttp2Stream[]>();
let pending: { bytes: Buffer; done: () => void }[] = [];

function commit(bytes: Buffer, done: () => void): void {
  pending.push({ bytes, done });
  if (pending.length > 1) return;
  setImmediate(() => {
    const group = pending;
    pending = [];
    writeSync(file, Buffer.concat(group.map((each) => each.bytes)));
    fdatasyncSync(file);
    for (const { done } of group) done();
  });
}

function reply(stream: http2.ServerHttp2Stream, body: Buffer): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": 200, "content-length": body.length });
  stream.end(body);
}

const server = http2.createServer({ settings: { maxConcurrentStreams: 20_000 }, maxSessionMemory: 256 });
server.on("stream", (stream, headers) => {
  const chunks: Buffer[] = [];
  stream.on("error", () => {}); // the client went away
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    const id = body.subarray(0, 16).toString("hex");
    switch (headers[":path"]) {
      case "/create": {
        const made = randomBytes(16);
        commit(Buffer.concat([made, body]), () => {
          answers.set(made.toString("hex"), undefined);
          reply(stream, made);
        });
        return;
      }
      case "/answer":
        commit(body, () => {
          const answer = body.subarray(16);
          answers.set(id, answer);
          reply(stream, Buffer.alloc(0));
          for (const waiter of waiters.get(id) ?? []) reply(waiter, answer);
          waiters.delete(id);
        });
        return;
      case "/wait": {
        const answer = answers.get(id);
        if (answer) reply(stream, answer);
        else waiters.set(id, [...(waiters.get(id) ?? []), stream]);
        return;
      }
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
});
process.on("SIGUSR2", () => globalThis.gc?.());
