import { expect, test } from "vitest";
import { readWecomRobotConfig } from "./config.ts";

test("without settings there is no robot, and the vendor's own address and limits hold", () => {
  expect(readWecomRobotConfig({})).toEqual({
    kind: "callback",
    botKey: undefined,
    apiUrl: "https://qyapi.weixin.qq.com",
    maxTextBytes: 2048,
    maxMarkdownBytes: 4096,
    messagesPerMinute: 100,
    proxy: undefined,
  });
  expect(readWecomRobotConfig({ WECOM_ROBOT_KIND: "public" }).messagesPerMinute).toBe(20);
});

test("A18: empty proxy variables mean no proxy, and loopback is always direct", () => {
  const empty = { http_proxy: "", https_proxy: "", no_proxy: "", HTTPS_PROXY: "" };
  expect(readWecomRobotConfig(empty).proxy).toBeUndefined();
  expect(readWecomRobotConfig({ HTTPS_PROXY: "proxy:3128" }).proxy).toEqual({
    url: "http://proxy:3128",
    noProxy: "",
  });
  const set = { https_proxy: "http://proxy:3128", http_proxy: "http://proxy:3128", no_proxy: "a,b" };
  expect(readWecomRobotConfig(set).proxy).toEqual({ url: "http://proxy:3128", noProxy: "a,b" });
  for (const host of ["127.0.0.1:9090", "localhost:9090", "[::1]:9090"]) {
    expect(readWecomRobotConfig({ ...set, WECOM_API_URL: `http://${host}/` }).proxy).toBeUndefined();
  }
});

test("an empty lower-case proxy variable wins over the upper-case one", () => {
  expect(readWecomRobotConfig({ https_proxy: "", HTTPS_PROXY: "http://proxy:3128" }).proxy).toBeUndefined();
});

test("I12: a wrong setting is named, its value is not", () => {
  const read = () =>
    readWecomRobotConfig({ BOT_KEY: "https://x/send?key=SECRET", WECOM_ROBOT_KIND: "other" });
  expect(read).toThrow(/BOT_KEY: must be the robot's key alone[\s\S]*WECOM_ROBOT_KIND/);
  expect(read).not.toThrow(/SECRET/);
});
