import { expect, test } from "vitest";
import { isReadableOnTheWay, readServerAddress } from "./server-address.ts";

const read = (text: string) => {
  const result = readServerAddress(text);
  return result.kind === "address" ? result.address.text : result.reason;
};

test.each([
  ["https://hil.example.com", "grpcs://hil.example.com:443"],
  ["https://hil.example.com:8443/", "grpcs://hil.example.com:8443"],
  ["http://10.0.0.5:8082", "grpc://10.0.0.5:8082"],
  ["http://10.0.0.5", "grpc://10.0.0.5:80"],
  ["grpcs://HIL.example.com", "grpcs://hil.example.com:8082"],
  ["grpc://localhost", "grpc://localhost:8082"],
  ["hil.example.com", "grpcs://hil.example.com:8082"],
  ["hil.example.com:443", "grpcs://hil.example.com:443"],
  ["grpc://[::1]:9000", "grpc://[::1]:9000"],
])("%s leads to %s", (text, address) => {
  expect(read(text)).toBe(address);
});

test("the address of the earlier worker leads to the relay port of its host, and is known as such", () => {
  expect(readServerAddress("ws://hil.example.com:8081/ws")).toEqual({
    kind: "address",
    address: {
      host: "hil.example.com",
      port: 8082,
      tls: false,
      text: "grpc://hil.example.com:8082",
      isOfEarlierWorker: true,
    },
  });
  expect(read("wss://hil.example.com/ws?worker_id=a&token=b")).toBe("grpcs://hil.example.com:8082");
});

test.each(["", "https://", "ftp://host", "http://host/api", "http://host:99999", "https://host?x=1"])(
  "%j is refused with what to write",
  (text) => {
    expect(read(text)).toContain("write https://HOST");
  },
);

test("an address with a credential in it is refused without repeating it", () => {
  const reason = read("https://key:hush@host");
  expect(reason).toContain("HIL_TOKEN");
  expect(reason).not.toContain("hush");
});

test("only an encrypted way and the way to this machine are closed to readers", () => {
  const isReadable = (text: string) => {
    const result = readServerAddress(text);
    return result.kind === "address" && isReadableOnTheWay(result.address);
  };
  expect(["http://10.0.0.5", "ws://host/ws"].map(isReadable)).toEqual([true, true]);
  expect(["https://host", "grpc://127.0.0.1", "http://localhost:1"].map(isReadable)).toEqual([
    false,
    false,
    false,
  ]);
});
