// Finds what the client in another language is tested with, or brings it: protoc, and gRPC for Python.

import { existsSync } from "node:fs";
import { canInstall, installPackages } from "./packages.mjs";
import { outputOf } from "./process.mjs";

/**
 * Makes sure that all of it is there; as root on Debian or Ubuntu what is missing is installed. Throws an Error that says
 * what to install: the tests are not run without it.
 */
export async function requireForeignClient() {
  let missing = missingPackages();
  if (missing.length > 0 && canInstall()) {
    await installPackages("the test of a client in Python", ...missing);
    missing = missingPackages();
  }
  if (missing.length === 0) return;
  throw new Error(
    `The test of a client in another language needs protoc and gRPC for Python, and not all was found: install them (Debian: apt-get install ${missing.join(" ")}), or name a Python that has grpcio and protobuf in HIL_TEST_PYTHON, and run npm test again`,
  );
}

/** By their names in Debian. */
function missingPackages() {
  const python = process.env.HIL_TEST_PYTHON ?? "/usr/bin/python3";
  const isThere = {
    "protobuf-compiler": outputOf("protoc", ["--version"]) !== undefined,
    "protobuf-compiler-grpc": outputOf("which", ["grpc_python_plugin"]) !== undefined,
    // The types that all contracts share, such as Timestamp.
    "libprotobuf-dev": ["/usr/include", "/usr/local/include", "/opt/homebrew/include"].some((folder) =>
      existsSync(`${folder}/google/protobuf/timestamp.proto`),
    ),
    "python3-grpcio": outputOf(python, ["-c", "import grpc"]) !== undefined,
    "python3-protobuf": outputOf(python, ["-c", "import google.protobuf"]) !== undefined,
  };
  return Object.keys(isThere).filter((name) => !isThere[name]);
}
