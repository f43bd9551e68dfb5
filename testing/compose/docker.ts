// docker and docker compose, as they are on this machine.

import { spawn, spawnSync } from "node:child_process";

/** What runs `docker compose`: the plugin of today, or docker-compose of Debian. */
type ComposeCommand = readonly [string, ...string[]];

const ROOT = new URL("../..", import.meta.url).pathname;

/** The command for compose. Throws a sentence that says what is missing. */
export function findCompose(): ComposeCommand {
  const engine = spawnSync("docker", ["version", "--format", "{{.Server.Version}}"], { encoding: "utf8" });
  if (engine.error) {
    throw new Error(
      "this needs Docker, and there is none: install docker and docker compose, and run it again",
    );
  }
  if (engine.status !== 0) {
    throw new Error(
      `Docker is there, but its engine does not answer: start it. It said: ${engine.stderr.trim()}`,
    );
  }
  const candidates: ComposeCommand[] = [["docker", "compose"], ["docker-compose"]];
  for (const command of candidates) {
    const [program, ...args] = command;
    if (spawnSync(program, [...args, "version"]).status === 0) return command;
  }
  throw new Error(
    "Docker is there, but docker compose is not: install its plugin, or docker-compose, and run it again",
  );
}

export interface Stack {
  /** Runs compose for this stack and shows what it says. Rejects where it fails. */
  run(...args: string[]): Promise<void>;
  /** What the log of a service has so far. */
  logs(service: string): string;
  /** What a command in a running container prints. Throws where it fails, or takes longer than 30 s. */
  exec(service: string, ...command: string[]): string;
  /** The containers of a service that run. */
  containers(service: string): string[];
}

/** A stack of its own name, beside any other on the machine. */
export function createStack(
  compose: ComposeCommand,
  project: string,
  environment: Record<string, string>,
): Stack {
  const [program, ...first] = compose;
  const env = { ...process.env, ...environment, COMPOSE_PROJECT_NAME: project };
  const composeArgs = (args: readonly string[]) => [...first, "--project-name", project, ...args];
  return {
    run(...args) {
      return new Promise((resolve, reject) => {
        const child = spawn(program, composeArgs(args), {
          cwd: ROOT,
          env,
          stdio: ["ignore", "inherit", "inherit"],
        });
        child.once("error", reject);
        child.once("exit", (code) =>
          code === 0
            ? resolve()
            : reject(new Error(`${program} ${args.join(" ")} failed; what it said is above`)),
        );
      });
    },
    logs: (service) =>
      output(program, composeArgs(["logs", "--no-color", service]), env).replaceAll(/^\S+ +\| ?/gm, ""),
    exec: (service, ...command) => output(program, composeArgs(["exec", "-T", service, ...command]), env),
    containers: (service) =>
      output("docker", [
        "ps",
        "--quiet",
        "--filter",
        `label=com.docker.compose.project=${project}`,
        "--filter",
        `label=com.docker.compose.service=${service}`,
      ])
        .split("\n")
        .filter(Boolean),
  };
}

function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: ROOT,
    env,
    encoding: "utf8",
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${stderr}`);
  return stdout;
}
