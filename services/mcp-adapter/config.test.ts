import { expect, test } from "vitest";
import { type AdapterConfig, helpText, readCommand } from "./config.ts";

function served(argv: string[], environment: NodeJS.ProcessEnv = {}, dotenv = ""): AdapterConfig {
  const command = readCommand(argv, environment, dotenv);
  if (command.kind !== "serve") throw new Error(JSON.stringify(command));
  return command.config;
}

test("without anything it asks HIL on this machine, in the console, with the server's own deadline", () => {
  expect(served([])).toEqual({
    service: { baseUrl: "http://localhost:8080", key: undefined, loopback: true },
    apiKey: undefined,
    dataDir: undefined,
    chatId: "",
    projectName: "",
    tenantId: "",
    timeoutS: undefined,
    sliceS: undefined,
    notices: [],
  });
});

test("A11: a flag wins over a variable, a variable over .env", () => {
  const dotenv = "DEFAULT_CHAT_ID=file\nDEFAULT_PROJECT_NAME='from file'\n";
  expect(served([], {}, dotenv)).toMatchObject({ chatId: "file", projectName: "from file" });
  expect(served([], { DEFAULT_CHAT_ID: "variable" }, dotenv).chatId).toBe("variable");
  expect(served(["--chat-id", "flag"], { DEFAULT_CHAT_ID: "variable" }, dotenv).chatId).toBe("flag");
  expect(served(["--chat-id=-1"], {}).chatId).toBe("-1");
});

test("a placeholder that a client left unfilled counts as unset", () => {
  const left = (name: string) => `\${${name}}`;
  for (const name of ["HIL_API_KEY", "env:HIL_API_KEY", "user_config.api_key", "input:hil-key"]) {
    const config = served([], { HIL_API_KEY: ` ${left(name)} `, HIL_CHAT_ID: "wrk1" });
    expect(config).toMatchObject({ apiKey: undefined, chatId: "wrk1" });
  }
  expect(served(["--chat-id", left("input:chat")], { HIL_CHAT_ID: "wrk1" }).chatId).toBe("wrk1");
  expect(served([], { HIL_API_KEY: `a${left("b")}` }).apiKey).toBe(`a${left("b")}`);
});

test.each(["DEVCLOUD_SERVICE_URL", "HIL_SERVICE_URL", "SERVICE_URL", "service_url", "Hil_Service_Url"])(
  "A11: %s names the service",
  (name) => {
    expect(served([], { [name]: "https://hil.example/api" }).service.baseUrl).toBe("https://hil.example");
  },
);

test("A11: every flag of the earlier clients is taken", () => {
  const config = served(
    "--service-url http://h:1 --mode relay --chat-id c --project-name p --timeout 60 --poll-interval 2 --tenant-id t --engine auto".split(
      " ",
    ),
  );
  expect(config).toMatchObject({
    chatId: "c",
    projectName: "p",
    tenantId: "t",
    timeoutS: 60,
    notices: [],
  });
});

test("the variables of the tenant design and of the later client are taken, unknown ones ignored", () => {
  const config = served([], {
    HIL_CHAT_ID: "c",
    HIL_PROJECT_NAME: "p",
    HIL_TENANT_ID: "t",
    DEFAULT_TIMEOUT: "0",
    SERVICE_MODE: "hil",
    POLL_INTERVAL: "5",
    SOMETHING_ELSE: "x",
  });
  expect(config).toMatchObject({ chatId: "c", projectName: "p", tenantId: "t", timeoutS: 0 });
});

test("an empty flag or variable counts as unset", () => {
  expect(served(["--timeout", ""], { DEFAULT_CHAT_ID: " " })).toMatchObject({
    timeoutS: undefined,
    chatId: "",
  });
});

test("settings that have no effect any more are said, without their values", () => {
  const { notices } = served(["--bot-key", "SECRET", "--engine", "ilink"]);
  expect(notices).toHaveLength(2);
  expect(notices.join()).not.toContain("SECRET");
});

test.each<[string[], NodeJS.ProcessEnv, RegExp]>([
  [["--mode", "fast"], {}, /^--mode must be one of auto, direct, relay, hil$/],
  [["--timeout", "soon"], {}, /^--timeout must be a whole number of seconds$/],
  [["--timeout=-1"], {}, /^--timeout must be at least 0 seconds$/],
  [[], { DEFAULT_TIMEOUT: "1.5" }, /^DEFAULT_TIMEOUT must be a whole number of seconds$/],
  [["--service-url", "ftp://key:SECRET@x"], {}, /^--service-url must be an http or https address/],
  [["--mode", "x", "--timeout", "y"], {}, /--mode must .*; --timeout must /],
  [["--bogus"], {}, /--bogus.*see hil-mcp --help$/],
])("%j with %j is refused in one sentence", (argv, environment, sentence) => {
  const command = readCommand(argv, environment, "");
  expect(command).toEqual({ kind: "refused", sentence: expect.stringMatching(sentence) });
  expect(JSON.stringify(command)).not.toContain("SECRET");
});

test("--help lists every flag and variable", () => {
  expect(readCommand(["--help"], {}, "")).toEqual({ kind: "help" });
  expect(readCommand(["--version"], {}, "")).toEqual({ kind: "version" });
  const help = helpText();
  for (const name of [
    "--poll-interval",
    "POLL_INTERVAL",
    "HIL_MCP_SLICE_SECONDS",
    "HIL_API_KEY",
    "--bot-key",
  ]) {
    expect(help).toContain(name);
  }
});
