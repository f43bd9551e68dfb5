// The official conformance suite, against the fixture and against HIL as it is.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGateway } from "../../services/gateway/testing/running-gateway.ts";
import { startEmbeddedProcess } from "../processes/start-process.ts";
import { createFixtureHttp } from "./fixture-server.ts";
import { notPassed, type Revision, requiredScenarios, runConformance, type ScenarioResult } from "./suite.ts";

const REVISIONS = ["2025-11-25", "2026-07-28"] as const;

/** What is not there to be tested, and why. Once one of them passes, its line here has to go. */
const NOT_APPLYING: Record<Revision, Record<string, string>> = {
  "2025-11-25": {
    "tools-call-sampling":
      "HIL asks people, never the client's model: nothing is sent to clients as a request",
    "tools-call-elicitation": "the same",
    "elicitation-sep1034-defaults": "the same",
    "elicitation-sep1330-enums": "the same",
    "server-sse-polling": "needs a store of events, which 2026-07-28 does without; the suite leaves it out",
  },
  "2026-07-28": {
    "http-custom-header-server-validation": "no tool mirrors a parameter into a header",
    "tasks-status-notifications": "the suite leaves it out until it can hear them",
  },
};

describe.each(REVISIONS)("the fixture, in %s", (revision) => {
  let results: ReadonlyMap<string, ScenarioResult>;
  beforeAll(async () => {
    await using gateway = await startGateway({ mcpHttp: createFixtureHttp });
    results = await runConformance(`${gateway.url}/k/${gateway.ownerKey}/mcp`, revision);
  });

  test("the suite ran every scenario that the revision requires", () => {
    expect(requiredScenarios(revision).length).toBeGreaterThanOrEqual(30);
    expect([...results.keys()]).toEqual(expect.arrayContaining(requiredScenarios(revision)));
  });

  test("every scenario passes that applies", () => {
    expect(notPassed(results).toSorted()).toEqual(Object.keys(NOT_APPLYING[revision]).toSorted());
  });
});

describe.each(REVISIONS)("HIL, in %s", (revision) => {
  const folder = mkdtempSync(join(tmpdir(), "hil-conformance-"));
  let results: ReadonlyMap<string, ScenarioResult>;
  beforeAll(async () => {
    await using server = await startEmbeddedProcess({ HIL_DATA_DIR: folder });
    results = await runConformance(`http://127.0.0.1:${server.port}/mcp`, revision);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the scenarios that ask for nothing special pass", () => {
    const general: Record<Revision, string[]> = {
      "2025-11-25": ["server-initialize", "ping", "server-session-lifecycle"],
      "2026-07-28": ["http-header-validation", "sep-2164-resource-not-found", "caching"],
    };
    const both = [
      "tools-list",
      "resources-list",
      "prompts-list",
      "dns-rebinding-protection",
      "server-sse-multiple-streams",
    ];
    const names = [...both, ...general[revision]];
    expect(names.filter((name) => !results.has(name))).toEqual([]);
    expect(notPassed(results).filter((name) => names.includes(name))).toEqual([]);
  });

  test("the suite finds out what is not there: HIL has none of its tools", () => {
    expect(results.get("tools-call-simple-text")).toMatchObject({ failed: 1 });
  });
});
