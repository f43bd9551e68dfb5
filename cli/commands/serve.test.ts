import { expect, test } from "vitest";
import { bannerLines, robotOf } from "./serve.ts";

const banner = (environment: NodeJS.ProcessEnv, relayPort?: number) =>
  bannerLines(
    { url: "http://127.0.0.1:8080", dataDir: "/data", newOwnerKey: undefined, relayPort },
    { robot: robotOf(environment), signInUrl: "http://127.0.0.1:8080/login#x", t: (en) => en },
  ).join("\n");

test("what is said of the robot at the start is who calls it, and where relays attach", () => {
  expect(banner({})).toMatch(/WeCom robot +not configured/);
  expect(banner({ BOT_KEY: "a-key" })).toMatch(/WeCom robot +configured \(BOT_KEY\)/);
  expect(banner({ BOT_KEY: "a-key" })).not.toContain("Relays");
  expect(banner({ HIL_MODE: "relay", BOT_KEY: "a-key" }, 8082)).toMatch(
    /WeCom robot +run by relays[\s\S]*Relays +attach at port 8082/,
  );
});
