// Where the master keys come from.
//
//   HIL_MASTER_KEY          the keys themselves.
//   HIL_MASTER_KEY_FILE     a file that holds them: a mounted secret.
//   HIL_MASTER_KEY_COMMAND  a command that prints them: the command line of any key management service or secret store.
//   none of them            <data folder>/credentials/master.json, made at the first start.
//
// Keys are 32 bytes as base64 or hex, the newest first, with blanks, commas or line breaks between: to rotate, put a
// new one in front and start again; the old one goes once nothing is sealed with it. The keys of master.json are known
// besides, as older ones, so that a deployment can move from the file to one of the others.

import { execSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigurationError, readEnvironment } from "../config/environment.ts";
import { replaceFile, writeNewFile } from "./private-file.ts";

const KEY_BYTES = 32;
const COMMAND_PATIENCE_MS = 30_000;

const variables = z.object({
  HIL_MASTER_KEY: z.string().optional(),
  HIL_MASTER_KEY_FILE: z.string().optional(),
  HIL_MASTER_KEY_COMMAND: z.string().optional(),
});

const masterFile = z.object({ keys: z.array(z.string()).min(1) });

/** The master keys, the newest first. Empty: nobody gave any and none was made. */
export function readMasterKeys({
  dataDir,
  environment,
}: {
  dataDir: string;
  environment: NodeJS.ProcessEnv;
}): Buffer[] {
  const given = readEnvironment(variables, environment);
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (names.length > 1) {
    throw new ConfigurationError(`${names.join(" and ")} are set; set one of them, and unset the others`);
  }
  return [...keysGiven(given), ...keysOfFile(masterKeyPath(dataDir))];
}

/** Makes the first key of a data folder, or keeps the one that somebody else made meanwhile. */
export function makeMasterKey(dataDir: string): Buffer[] {
  const path = masterKeyPath(dataDir);
  writeNewFile(path, fileOf([randomBytes(KEY_BYTES)]));
  return keysOfFile(path);
}

/** Puts a new key in front of those that a data folder has. It wraps from the next start on. */
export function rotateMasterKey(dataDir: string): void {
  const path = masterKeyPath(dataDir);
  const keys = keysOfFile(path);
  if (keys.length === 0) {
    throw new ConfigurationError(
      `there is no ${path}: this deployment's master keys come from its environment; put a new one in front there`,
    );
  }
  replaceFile(path, fileOf([randomBytes(KEY_BYTES), ...keys]));
}

export function masterKeyPath(dataDir: string): string {
  return join(dataDir, "credentials", "master.json");
}

function keysGiven(given: z.infer<typeof variables>): Buffer[] {
  if (given.HIL_MASTER_KEY !== undefined) return parseKeys(given.HIL_MASTER_KEY, "HIL_MASTER_KEY");
  if (given.HIL_MASTER_KEY_FILE !== undefined) {
    return parseKeys(readKeyFile(given.HIL_MASTER_KEY_FILE), "HIL_MASTER_KEY_FILE");
  }
  if (given.HIL_MASTER_KEY_COMMAND !== undefined) {
    return parseKeys(runCommand(given.HIL_MASTER_KEY_COMMAND), "HIL_MASTER_KEY_COMMAND");
  }
  return [];
}

function parseKeys(text: string, variable: string): Buffer[] {
  const keys = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(parseKey);
  if (keys.length > 0 && keys.every((key) => key !== undefined)) return keys;
  throw new ConfigurationError(
    `${variable} must give keys of 32 bytes as base64 or hex, the newest first; \`openssl rand -base64 32\` makes one`,
  );
}

function parseKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`HIL_MASTER_KEY_FILE: ${path} cannot be read (${code})`);
  }
}

function runCommand(command: string): string {
  try {
    return execSync(command, {
      encoding: "utf8",
      timeout: COMMAND_PATIENCE_MS,
      maxBuffer: 64 * 1024,
      // What it prints is the key; what it has to say stands on standard error.
      stdio: ["ignore", "pipe", "inherit"],
      windowsHide: true,
    });
  } catch (error) {
    // Its message and its output may hold the key.
    const { status, signal, code } = error as { status?: number; signal?: string; code?: string };
    throw new ConfigurationError(
      `HIL_MASTER_KEY_COMMAND failed (${code ?? signal ?? `exit code ${status}`}); run it by hand: it must print the keys and exit with 0`,
    );
  }
}

function keysOfFile(path: string): Buffer[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new ConfigurationError(`the master key file ${path} cannot be read (${code})`);
  }
  let keys: (Buffer | undefined)[] | undefined;
  try {
    keys = masterFile.parse(JSON.parse(text)).keys.map(parseKey);
  } catch {
    // Not the JSON that we wrote: the sentence below says all that may be said of a file of keys.
  }
  if (!keys?.every((key) => key !== undefined)) {
    throw new ConfigurationError(
      `the master key file ${path} is damaged; restore it from a backup: what it sealed cannot be read without it`,
    );
  }
  return keys;
}

function fileOf(keys: readonly Buffer[]): string {
  return `${JSON.stringify({ keys: keys.map((key) => key.toString("base64")) }, undefined, 2)}\n`;
}
