/** Which datagram sockets are chosen, and what the process does with their threads as it ends. */
import { deepEqual, equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { chooseDatagramSockets } from "../../src/socket/choose_datagram_sockets.ts";
import type { DatagramSocket, DatagramSockets } from "../../src/socket/datagram.ts";
import { testDatagramSockets } from "../../src/socket/datagram_self_test.ts";
import type { Libc } from "../../src/socket/libc.ts";
import { option } from "../../src/socket/linux_constants.ts";
import { NativeDatagramSockets } from "../../src/socket/native_datagram.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";
import { implementations, libc } from "./datagram_implementations.ts";

const platform = { os: "linux", arch: "x86_64" };
const isFfiPermitted = () => true;

/** Sockets that send something else than they are told. */
function sockets(change: Partial<DatagramSocket>): DatagramSockets {
  return {
    name: "native",
    bind: async (options) => {
      const real = await portableDatagramSockets.bind(options);
      return {
        local: real.local,
        mayFragment: false,
        send: (...args) => real.send(...args),
        close: () => real.close(),
        ...change,
      };
    },
  };
}

function withoutGro(real: Libc): DatagramSockets {
  const gro = option.udpGro[1];
  const setsockopt: Libc["setsockopt"] = (...args) =>
    args[2] === gro ? -1 : real.setsockopt(...args);
  return new NativeDatagramSockets({ ...real, setsockopt });
}

Deno.test("native sockets are chosen where they work", { ignore: libc === undefined }, async () => {
  const choice = await chooseDatagramSockets();
  equal(choice.sockets.name, "native");
  match(choice.reason, /^native sockets \(FFI\), with UDP_SEGMENT and UDP_GRO$/);
});

Deno.test("native sockets are chosen without batches where those do not work", {
  ignore: libc === undefined,
}, async () => {
  const openNative = () => libc === undefined ? undefined : withoutGro(libc);
  const { sockets: { name }, reason } = await chooseDatagramSockets({ openNative });
  equal(name, "native");
  match(reason, /^native sockets \(FFI\), one datagram a call: UDP_SEGMENT and UDP_GRO do not/);
});

Deno.test("portable sockets are chosen where there are no native ones, with the reason", async () => {
  const fails = { platform, isFfiPermitted };
  const options = {
    "this is darwin on aarch64": { platform: { os: "darwin", arch: "aarch64" } },
    "this is linux on riscv64": { platform: { os: "linux", arch: "riscv64" } },
    "native ones need --allow-ffi": { platform, isFfiPermitted: () => false },
    "no C library has what native ones need": { ...fails, openNative: () => undefined },
    "fail on loopback: a batch is unreachable": {
      ...fails,
      openNative: () => sockets({ send: () => "unreachable" }),
    },
    "fail on loopback: nothing comes": {
      ...fails,
      openNative: () => sockets({ send: () => "sent" }),
    },
    "fail on loopback: there is no such address": {
      ...fails,
      openNative: () => ({
        ...sockets({}),
        bind: () => Promise.reject(new Error("there is no such address")),
      }),
    },
  } as const;
  for (const [why, one] of Object.entries(options)) {
    const choice = await chooseDatagramSockets(one);
    equal(choice.sockets, portableDatagramSockets);
    match(choice.reason, /^portable sockets \(node:dgram\): /);
    match(choice.reason, new RegExp(why));
  }
});

Deno.test("sockets that change what they carry fail their test", async () => {
  const bind: DatagramSockets["bind"] = async (options) => {
    const real = await portableDatagramSockets.bind(options);
    return {
      local: real.local,
      mayFragment: false,
      close: () => real.close(),
      send: (bytes, start, end, segmentLength, destination) => {
        const changed = bytes.slice();
        changed[200] = (changed[200] ?? 0) ^ 1;
        return real.send(changed, start, end, segmentLength, destination);
      },
    };
  };
  const outcome = await testDatagramSockets({ name: "native", bind });
  deepEqual(outcome, { problem: "what came is not what was sent", isBatched: false });
});

for (const each of implementations) {
  Deno.test(`${each.name}: sockets pass their test`, async () => {
    const outcome = await testDatagramSockets(each);
    deepEqual(outcome, { isBatched: each.name === "native" });
  });
}

const program = (end: string) => `
  import { openLibc } from "./libc.ts";
  import { NativeDatagramSockets } from "./native_datagram.ts";
  const handler = { handleDatagrams() {}, handleDrained() {}, handleFailed() {} };
  const sockets = new NativeDatagramSockets(openLibc());
  const socket = await sockets.bind({ address: "127.0.0.1", handler });
  await new Promise((resolve) => setTimeout(resolve, 20));
  console.log("waiting");
  ${end}
`;

const ends = {
  "closes its socket ends by itself": [0, "void socket.close();"],
  "is told to end does not wait for its thread": [7, "Deno.exit(7);"],
  "fails does not wait for its thread": [1, 'throw new Error("on purpose");'],
} as const;

for (const [what, [code, end]] of Object.entries(ends)) {
  Deno.test(`a program that ${what}`, { ignore: libc === undefined }, async () => {
    // A file of its own, since the imports are relative to it.
    const folder = fileURLToPath(new URL("../../src/socket/", import.meta.url));
    const source = program(end).replaceAll("./", `file://${folder}`);
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", "--no-lock", source],
      cwd: folder,
      signal: AbortSignal.timeout(5000),
      stdout: "piped",
      stderr: "null",
    }).output();
    deepEqual([new TextDecoder().decode(output.stdout), output.code], ["waiting\n", code]);
  });
}
