// A disk so small that a test can fill it: a tmpfs of its own.

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Trouble } from "./run.ts";

const BLOCK = Buffer.alloc(64 * 1024, 1);

export interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Leaves no room at all. */
  fill(): void;
  /** Makes room again. */
  free(): void;
}

/** Mounts one. Throws a sentence where that is not allowed. */
export function mountSmallDisk({ megabytes }: { megabytes: number }): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "hil-small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], { stdio: "pipe" });
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw new Error(
      "the test of a full disk mounts a small tmpfs, and that is not allowed here: run the tests as root, in a container with CAP_SYS_ADMIN",
      { cause: error },
    );
  }
  const filler = join(folder, "filler");
  return {
    folder,
    fill() {
      const file = openSync(filler, "a");
      try {
        // The last block may fit in part: byte by byte to the end.
        for (let size = BLOCK.length; size > 0; ) {
          try {
            if (writeSync(file, BLOCK, 0, size) < size) size = Math.floor(size / 2);
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
            size = Math.floor(size / 2);
          }
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      execFileSync("umount", ["-l", folder], { stdio: "pipe" });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Fills a disk and frees it, several times. */
export function fillDisk(disk: SmallDisk, { times, fullMs }: { times: number; fullMs: number }): Trouble {
  return async (_, { history }) => {
    for (let count = 0; count < times; count++) {
      await new Promise((resolve) => setTimeout(resolve, fullMs));
      history.add({ kind: "fault", what: "disk_full", target: "disk" });
      disk.fill();
      await new Promise((resolve) => setTimeout(resolve, fullMs));
      disk.free();
      history.add({ kind: "healed", what: "disk_full", target: "disk" });
    }
  };
}
