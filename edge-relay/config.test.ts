import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readCommand } from "./config.ts";
import { helpText } from "./help.ts";
import { SETTINGS, WITHOUT_EFFECT } from "./settings.ts";

const TOKEN = "hil_relay_abc_secret";
const least = { HIL_TOKEN: TOKEN, BOT_KEY: "robot-key" };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

function read(argv: string[], environment: Record<string, string> = least) {
  const command = readCommand(argv, environment);
  if (!("config" in command)) throw new Error(command.kind);
  return command.config;
}

function complaint(argv: string[], environment: Record<string, string>): string {
  try {
    read(argv, environment);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

test("the variables of the earlier worker do, as they are", () => {
  const config = read([], {
    WORKER_ID: "worker-1f0c9ab2",
    HIL_URL: "ws://hil.example.com:8081/ws",
    HIL_TOKEN: TOKEN,
    BOT_KEY: "robot-key",
    CALLBACK_PORT: "9000",
    CALLBACK_AUTH_KEY: "X-Robot",
    CALLBACK_AUTH_VALUE: "hush",
    RECONNECT_DELAY: "5",
    MAX_RECONNECT_DELAY: "60",
    HEARTBEAT_INTERVAL: "20",
    HEARTBEAT_TIMEOUT: "60",
  });
  expect(config).toMatchObject({
    way: { server: { host: "hil.example.com", port: 8082, tls: false }, token: TOKEN },
    callback: { host: "0.0.0.0", port: 9000, authHeader: { name: "X-Robot", value: "hush" } },
    channels: [{ id: "wecom-robot", robot: { botKey: "robot-key", kind: "callback" } }],
    expectedName: "worker-1f0c9ab2",
  });
  const notices = config.notices.join("\n");
  expect(notices).toContain(
    "HIL_URL is the address of the earlier worker: it is taken for grpc://hil.example.com:8082",
  );
  expect(notices).toContain("not encrypted");
  for (const name of WITHOUT_EFFECT) expect(notices).toContain(name);
});

test("a flag wins over a variable, a variable over the file", () => {
  const path = file(
    "order.yaml",
    "url: https://from-file.example.com\ncallback_port: 7001\nlog_level: debug\ntoken: from-file\n",
  );
  const config = read(["--config", path, "--url", "https://from-flag.example.com"], {
    ...least,
    HIL_URL: "https://from-variable.example.com",
    CALLBACK_PORT: "7002",
  });
  expect(config.way.server.host).toBe("from-flag.example.com");
  expect(config.way.token).toBe(TOKEN);
  expect(config.callback.port).toBe(7002);
  expect(config.logLevel).toBe("debug");
});

test("a file may list several robots, and take keys from files", () => {
  const key = file("key", "key-of-b\n");
  const path = file(
    "channels.yaml",
    `url: https://hil.example.com
token_file: ${file("token", `${TOKEN}\n`)}
channels:
  - id: robot-a
    bot_key: key-of-a
    api_url: http://robots.internal:8000/
  - id: robot-b
    bot_key_file: ${key}
    kind: public
    messages_per_minute: 5
`,
  );
  expect(read(["--config", path], {})).toMatchObject({
    way: { token: TOKEN },
    channels: [
      {
        id: "robot-a",
        robot: { botKey: "key-of-a", apiUrl: "http://robots.internal:8000", kind: "callback" },
      },
      { id: "robot-b", robot: { botKey: "key-of-b", kind: "public", messagesPerMinute: 5 } },
    ],
  });
});

test("everything that is wrong is named at once, and no value is shown", () => {
  const path = file("wrong.yaml", "log_level: chatty\nlog_levle: info\nchannels:\n  - id: A\n");
  const said = complaint(["--config", path, "--spool-mib", "none", "--cert-file", "/nowhere/hush.pem"], {
    HIL_URL: "http://key:hush-hush@host/path",
    HIL_TOKEN: "two words",
    BOT_KEY: "a/b",
    CALLBACK_PORT: "99999",
    CALLBACK_AUTH_KEY: "X-Robot",
    CALLBACK_HOST: "0.0.0.0",
    HIL_LOG_FILES: "0",
  });
  for (const name of [
    "log_level in the configuration file: must be trace",
    "log_levle in the configuration file: is no setting",
    "channels.0.id",
    "--spool-mib",
    "--cert-file",
    "HIL_KEY_FILE",
    "HIL_URL: must not hold a credential",
    "HIL_TOKEN",
    "BOT_KEY",
    "CALLBACK_PORT",
    "CALLBACK_AUTH_VALUE",
    "CALLBACK_HOST: lets others",
    "HIL_LOG_FILES",
  ]) {
    expect(said).toContain(name);
  }
  expect(said).not.toMatch(/hush-hush|two words|a\/b|99999/);
});

test("without a credential or a robot it says how to get one", () => {
  expect(complaint([], {})).toMatch(/HIL_TOKEN: .*hil relay create NAME/);
  expect(complaint([], { HIL_TOKEN: TOKEN })).toMatch(/BOT_KEY: .*channels/);
});

test("callbacks are heard on this machine only, unless a header guards them", () => {
  expect(read([]).callback).toMatchObject({ host: "127.0.0.1", port: 8082, authHeader: undefined });
  const guarded = { ...least, CALLBACK_AUTH_VALUE: "hush" };
  expect(read([], guarded).callback).toMatchObject({ host: "0.0.0.0", authHeader: { name: "x-api-key" } });
  expect(read([], { ...guarded, CALLBACK_HOST: "10.0.0.7" }).callback.host).toBe("10.0.0.7");
  expect(complaint([], { ...least, CALLBACK_HOST: "10.0.0.7" })).toContain("CALLBACK_AUTH_VALUE");
});

test("certificates without encryption are a mistake, and are said to be", () => {
  const pem = file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
  expect(complaint(["--ca-file", pem], { ...least, HIL_URL: "http://hil.example.com" })).toContain(
    "is not encrypted",
  );
  expect(complaint(["--ca-file", file("no.pem", "x")], { ...least, HIL_URL: "https://h" })).toContain(
    "holds no PEM",
  );
});

test("a proxy of the variables is taken, with its password, and left out for what no_proxy names", () => {
  const way = (environment: Record<string, string>, url = "https://hil.example.com") =>
    read([], { ...least, HIL_URL: url, ...environment }).way.proxy;
  expect(way({ https_proxy: "http://anna:p%40ss@proxy.internal:3128" })).toMatchObject({
    host: "proxy.internal",
    port: 3128,
    credentials: "anna:p@ss",
    text: "proxy.internal:3128",
  });
  expect(way({ https_proxy: "http://other", grpc_proxy: "http://mine:1" })?.text).toBe("mine:1");
  expect(way({ HTTPS_PROXY: "proxy:2" })?.text).toBe("proxy:2");
  expect(way({ https_proxy: "http://proxy", no_proxy: ".example.com" })).toBeUndefined();
  expect(way({ https_proxy: "http://proxy" }, "grpc://127.0.0.1")).toBeUndefined();
  const socks = complaint([], { ...least, HIL_URL: "https://h", https_proxy: "socks5://a:hush@proxy" });
  expect(socks).toContain("http://proxy:3128");
  expect(socks).not.toContain("hush");
});

test.each(["en", "zh-CN"] as const)("help in %s names every flag and variable", (locale) => {
  const text = helpText(locale);
  for (const setting of Object.values(SETTINGS)) {
    expect(text).toContain(setting.variable);
    if ("flag" in setting) expect(text).toContain(`--${setting.flag}`);
  }
  for (const name of [...WITHOUT_EFFECT, "--check", "--config"]) expect(text).toContain(name);
});

test("the unit of systemd has the settings read from the file that it names, and variables win", () => {
  const unit = readFileSync(join(import.meta.dirname, "systemd", "hil-relay.service"), "utf8");
  const variables = [...unit.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  const { HIL_RELAY_CONFIG: path, ...own } = Object.fromEntries(variables) as Record<string, string>;
  expect(unit).toContain(`the settings to ${path} `);
  const settings = file("unit.yaml", `url: https://hil.example.com\ntoken: ${TOKEN}\nbot_key: robot-key\n`);
  const config = read([], { ...own, HIL_RELAY_CONFIG: settings, HIL_URL: "https://other.example.com" });
  expect([config.way.server.host, config.way.token, config.dataDir]).toEqual([
    "other.example.com",
    TOKEN,
    "/var/lib/hil-relay",
  ]);
  expect(read([], { ...own, ...least, HIL_RELAY_CONFIG: "" }).way.token).toBe(TOKEN);
});
