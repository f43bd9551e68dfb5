// Certificates for tests, made by openssl: an authority of the tests' own, and what it vouches for.

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** A certificate and its key, as files and as their contents. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface Authority extends Pick<Certificate, "certFile" | "cert"> {
  /** Makes a certificate. Default: for localhost and 127.0.0.1, valid since yesterday and for some days. */
  issue(options?: {
    /** "DNS:localhost", "IP:127.0.0.1", "URI:…" */
    readonly names?: readonly string[];
    readonly subject?: string;
    readonly from?: Date;
    readonly until?: Date;
  }): Promise<Certificate>;
}

/** Makes an authority whose files are in a folder. */
export async function createAuthority(folder: string, name = "hil-test-authority"): Promise<Authority> {
  await mkdir(folder, { recursive: true });
  const at = (file: string) => join(folder, file);
  await run("openssl", [
    ...["req", "-x509", ...KEY, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30"],
    ...["-subj", `/CN=${name}`],
  ]);
  await writeFile(at("index.txt"), "");
  await writeFile(at("serial"), "01\n");
  await writeFile(
    at("ca.conf"),
    `[ca]
default_ca = tests
[tests]
dir = ${folder}
database = ${at("index.txt")}
serial = ${at("serial")}
new_certs_dir = ${folder}
certificate = ${at("ca.pem")}
private_key = ${at("ca.key")}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
`,
  );
  let count = 0;
  return {
    certFile: at("ca.pem"),
    cert: await readFile(at("ca.pem")),
    async issue({
      names = ["DNS:localhost", "IP:127.0.0.1"],
      subject = "localhost",
      from = new Date(Date.now() - 86_400_000),
      until = new Date(Date.now() + 10 * 86_400_000),
    } = {}) {
      const file = `${++count}`;
      const [certFile, keyFile, requestFile] = [at(`${file}.pem`), at(`${file}.key`), at(`${file}.csr`)];
      await run("openssl", [
        ...["req", ...KEY, "-keyout", keyFile, "-out", requestFile, "-subj", `/CN=${subject}`],
        ...["-addext", `subjectAltName=${names.join(",")}`],
      ]);
      await run("openssl", [
        ...["ca", "-batch", "-config", at("ca.conf"), "-in", requestFile, "-out", certFile, "-notext"],
        ...["-startdate", asn1(from), "-enddate", asn1(until)],
      ]);
      return { certFile, keyFile, cert: await readFile(certFile), key: await readFile(keyFile) };
    },
  };
}

function asn1(time: Date): string {
  return `${time.toISOString().replace(/[-:T]|\.\d+/g, "")}`;
}
