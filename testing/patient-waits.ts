// How long tests wait for a condition where they say nothing: a machine that is busy with something else is no failure.

import { vi } from "vitest";

const PATIENCE_MS = 20_000;
const { waitFor, waitUntil } = vi;

const patient = <T extends object>(options: number | T | undefined) =>
  typeof options === "number" ? options : { timeout: PATIENCE_MS, ...options };

vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));
