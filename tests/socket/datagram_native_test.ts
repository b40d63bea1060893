/** What holds for native datagram sockets: what the kernel refuses, and what C sees. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type Libc, openLibc } from "../../src/socket/libc.ts";
import { epollEventLayout, errno } from "../../src/socket/linux_constants.ts";
import { NativeDatagramSockets } from "../../src/socket/native_datagram.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";
import { encodeSockaddr, readSockaddr, SockaddrCache } from "../../src/socket/sockaddr.ts";
import { Inbox, libc, patterned, pause } from "./datagram_implementations.ts";

/** Calls that may fail: each is asked which errno it is to fail with, 0 for none. */
interface Faults {
  readonly sendmsg?: (hasControl: boolean) => number;
  readonly recvmsg?: () => number;
  readonly epoll_wait?: () => number;
}

function faulty(real: Libc, faults: Faults): Libc {
  let injected = 0;
  /** -1 where the call is to fail. */
  const failing = (error: number | undefined) => {
    injected = error ?? 0;
    return injected === 0 ? undefined : -1;
  };
  const never = () => undefined;
  return {
    ...real,
    sendmsg: (descriptor, message, flags) => {
      const controlLength = new Deno.UnsafePointerView(message).getUint32(40);
      return failing(faults.sendmsg?.(controlLength > 0)) ??
        real.sendmsg(descriptor, message, flags);
    },
    recvmsg: (...args) => failing((faults.recvmsg ?? never)()) ?? real.recvmsg(...args),
    epoll_wait: (...args) => failing((faults.epoll_wait ?? never)()) ?? real.epoll_wait(...args),
    errno: () => injected === 0 ? real.errno() : injected,
  };
}

function testNative(what: string, run: (real: Libc) => Promise<void>): void {
  Deno.test({
    name: `native: ${what}`,
    ignore: libc === undefined,
    sanitizeOps: true,
    sanitizeResources: true,
    fn: () => libc === undefined ? Promise.resolve() : run(libc),
  });
}

/** Two sockets, of which the first meets the faults. */
async function pairWith(real: Libc, faults: Faults) {
  const [inbox, peerInbox] = [new Inbox(), new Inbox()];
  const sockets = new NativeDatagramSockets(faulty(real, faults));
  const socket = await sockets.bind({ address: "127.0.0.1", handler: inbox });
  const peers = new NativeDatagramSockets(real);
  const peer = await peers.bind({ address: "127.0.0.1", handler: peerInbox });
  return {
    socket,
    inbox,
    peer,
    peerInbox,
    close: () => Promise.all([socket.close(), peer.close()]),
  };
}

testNative("what the kernel refuses to send is told and not thrown", async (real) => {
  let error = 0;
  const { socket, peer, close } = await pairWith(real, { sendmsg: () => error });
  const send = () => socket.send(new Uint8Array(3000), 0, 3000, 1000, peer.local);
  const outcomes = {
    EAGAIN: "dropped",
    ENOBUFS: "dropped",
    ENOMEM: "dropped",
    EPERM: "dropped",
    EINTR: "dropped",
    EMSGSIZE: "too-long",
    ENETUNREACH: "unreachable",
    EHOSTUNREACH: "unreachable",
    ECONNREFUSED: "unreachable",
    ENETDOWN: "unreachable",
    EACCES: "unreachable",
    EADDRNOTAVAIL: "unreachable",
    EBADF: "unreachable",
  } as const;
  for (const [name, outcome] of Object.entries(outcomes)) {
    error = errno[name as keyof typeof outcomes];
    equal(send(), outcome, name);
    equal(socket.send(new Uint8Array(0), 0, 0, 0, peer.local), outcome, name);
  }
  error = 0;
  equal(send(), "sent");
  await close();
});

testNative(
  "a burst that is longer than the handler has room for is read in parts",
  async (real) => {
    const inbox = new Inbox();
    const sockets = new NativeDatagramSockets(real);
    const socket = await sockets.bind({
      ...{ address: "127.0.0.1", handler: inbox, burstLength: 2_000 },
    });
    const peer = await sockets.bind({ address: "127.0.0.1", handler: new Inbox() });
    for (let count = 0; count < 6; count++) {
      peer.send(
        patterned(1_000),
        0,
        1_000,
        1_000,
        socket.local,
      );
    }
    while (inbox.drainedCount < 3) await pause(1);
    deepEqual([inbox.received.length, inbox.drainedCount], [6, 3]);
    await Promise.all([socket.close(), peer.close()]);
  },
);

testNative("what an earlier datagram met is not held against the next", async (real) => {
  for (const error of [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EINTR]) {
    let isToldAlready = false;
    const sendmsg = () => {
      if (isToldAlready) return 0;
      isToldAlready = true;
      return error;
    };
    const { socket, peer, peerInbox, close } = await pairWith(real, { sendmsg });
    equal(socket.send(patterned(300), 0, 300, 100, peer.local), "sent");
    await peerInbox.until(3);
    equal(peerInbox.received.length, 3);
    await close();
  }
});

testNative("datagrams go singly once batches are refused", async (real) => {
  for (const error of [errno.EIO, errno.EINVAL]) {
    let batchCount = 0;
    const sendmsg = (hasControl: boolean) => {
      if (!hasControl) return 0;
      batchCount++;
      return error;
    };
    const { socket, peer, peerInbox, close } = await pairWith(real, { sendmsg });
    const bytes = patterned(2550);
    for (let times = 1; times <= 3; times++) {
      equal(socket.send(bytes, 0, 2550, 100, peer.local), "sent");
      const received = await peerInbox.until(26 * times);
      deepEqual(received.slice(-26).flatMap((one) => [...one.bytes]), [...bytes]);
    }
    deepEqual([batchCount, socket.isSegmenting], [1, false]);
    await close();
  }
});

testNative("segments that are too long do not end the sending of batches", async (real) => {
  // As kernels before 6.11 tell a batch and a datagram that do not fit the device.
  const sendmsg = (hasControl: boolean) => hasControl ? errno.EINVAL : errno.EMSGSIZE;
  const { socket, peer, close } = await pairWith(real, { sendmsg });
  equal(socket.send(new Uint8Array(3000), 0, 3000, 1500, peer.local), "too-long");
  equal(socket.isSegmenting, true);
  await close();
});

testNative("what fails in a batch ends that batch", async (real) => {
  let callCount = 0;
  const sendmsg = () => ++callCount === 2 ? errno.ENOBUFS : 0;
  const { socket, peer, peerInbox, close } = await pairWith(real, { sendmsg });
  equal(socket.send(patterned(100 * 200), 0, 100 * 200, 100, peer.local), "dropped");
  equal(socket.send(patterned(50), 0, 50, 50, peer.local), "sent");
  const received = await peerInbox.until(65);
  deepEqual(received.map(({ bytes }) => bytes.length), [...new Array(64).fill(100), 50]);
  equal(callCount, 3);
  await close();
});

testNative("a batch comes as one run, and goes as one to a single destination", async (real) => {
  const { socket, inbox, peer, peerInbox, close } = await pairWith(real, {});
  equal(socket.send(patterned(50 * 1200), 0, 50 * 1200, 1200, peer.local), "sent");
  await peerInbox.until(50);
  deepEqual([peerInbox.runCount, peerInbox.received.length], [1, 50]);
  deepEqual(inbox.received, []);
  await close();
});

testNative("native and portable sockets understand each other", async (real) => {
  const [inbox, otherInbox] = [new Inbox(), new Inbox()];
  const native = await new NativeDatagramSockets(real)
    .bind({ address: "127.0.0.1", handler: inbox });
  const other = await portableDatagramSockets.bind({ address: "127.0.0.1", handler: otherInbox });
  const bytes = patterned(10_100);
  equal(native.send(bytes, 0, 10_100, 1000, other.local), "sent");
  equal(other.send(bytes, 0, 10_100, 1000, native.local), "sent");
  for (const one of [inbox, otherInbox]) {
    const received = await one.until(11);
    deepEqual(received.flatMap((datagram) => [...datagram.bytes]), [...bytes]);
    deepEqual(received.map((datagram) => datagram.bytes.length), [
      ...new Array(10).fill(1000),
      100,
    ]);
  }
  await Promise.all([native.close(), other.close()]);
});

testNative("errors of receiving are lived through", async (real) => {
  const errors = [errno.ECONNREFUSED, errno.EINTR, errno.ENETUNREACH, errno.EMSGSIZE, errno.ENOMEM];
  const left = [...errors];
  const { socket, inbox, peer, close } = await pairWith(real, { recvmsg: () => left.shift() ?? 0 });
  for (let count = 0; count < 3; count++) peer.send(patterned(10), 0, 10, 10, socket.local);
  await inbox.until(3);
  deepEqual([left, inbox.failures], [[], []]);
  await close();
});

testNative("a socket that can receive no more says so once, and is closed", async (real) => {
  const recvmsg = () => errno.ENOTSOCK;
  const { socket, inbox, peer, close } = await pairWith(real, { recvmsg });
  peer.send(patterned(10), 0, 10, 10, socket.local);
  await inbox.untilTrue(() => inbox.failures.length > 0);
  deepEqual(inbox.failures, ["cannot receive: ENOTSOCK"]);
  equal(socket.send(new Uint8Array(1), 0, 1, 1, peer.local), "unreachable");
  await close();
});

testNative("an error that never ends is an end", async (real) => {
  const { socket, inbox, peer, close } = await pairWith(real, { recvmsg: () => errno.ENETDOWN });
  peer.send(patterned(10), 0, 10, 10, socket.local);
  await inbox.untilTrue(() => inbox.failures.length > 0);
  deepEqual(inbox.failures, ["cannot receive: ENETDOWN"]);
  await close();
});

testNative("sockets fail when nobody can wait for them", async (real) => {
  let error: number = errno.EINTR;
  const { socket, inbox, peer, close } = await pairWith(real, { epoll_wait: () => error });
  const knock = () => peer.send(patterned(10), 0, 10, 10, socket.local);
  knock();
  await inbox.until(1);
  deepEqual(inbox.failures, [], "a signal is no failure");
  error = errno.EBADF;
  knock();
  await inbox.untilTrue(() => inbox.failures.length > 0);
  deepEqual(inbox.failures, ["cannot wait for datagrams: EBADF"]);
  await close();
});

testNative("a flood does not keep what else there is from its turn", async (real) => {
  const inbox = new Inbox();
  let count = 0;
  const peek = 2; // MSG_PEEK: the datagram stays, so that there is always one to be read.
  const endless: Libc["recvmsg"] = (descriptor, message) => {
    count++;
    return real.recvmsg(descriptor, message, peek);
  };
  const sockets = new NativeDatagramSockets({ ...real, recvmsg: endless });
  const socket = await sockets.bind({ address: "127.0.0.1", handler: inbox });
  socket.send(new Uint8Array(10), 0, 10, 10, socket.local);
  await pause(20);
  await socket.close();
  ok(count > 100 && inbox.drainedCount > 2, `${count}, ${inbox.drainedCount}`);
});

testNative("sockets that wait are at rest, whatever was closed before", async (real) => {
  let count = 0;
  const epoll_wait: Libc["epoll_wait"] = (...args) => {
    count++;
    return real.epoll_wait(...args);
  };
  const sockets = new NativeDatagramSockets({ ...real, epoll_wait });
  const bind = { address: "127.0.0.1", handler: new Inbox() };
  for (let times = 0; times < 3; times++) {
    const closing = (await sockets.bind(bind)).close();
    // The waiting for the one goes on as that for the other.
    const socket = await sockets.bind(bind);
    await pause(20);
    count = 0;
    await pause(20);
    equal(count, 0);
    void socket.close();
    await closing;
  }
  await pause(5);
});

testNative("what was received into is what was brought", async (real) => {
  const receiveBuffer = new Uint8Array(70_000).subarray(100);
  const inbox = new Inbox();
  const seen: unknown[] = [];
  inbox.handleDatagrams = (bytes, start, end) => seen.push([bytes === receiveBuffer, start, end]);
  const sockets = new NativeDatagramSockets(real);
  const socket = await sockets.bind({ address: "127.0.0.1", handler: inbox, receiveBuffer });
  socket.send(patterned(3000), 0, 3000, 3000, socket.local);
  await inbox.untilTrue(() => inbox.drainedCount > 0);
  deepEqual(seen, [[true, 0, 3000]]);
  deepEqual(receiveBuffer.slice(0, 3000), patterned(3000));
  await socket.close();
});

Deno.test("epoll events are packed on x86-64 alone", () => {
  deepEqual(epollEventLayout("x86_64"), { length: 12, data: 4 });
  deepEqual(epollEventLayout("aarch64"), { length: 16, data: 8 });
});

Deno.test("what is not there, or has not all functions, is no C library", () => {
  equal(openLibc([]), undefined);
  equal(openLibc(["libc.so.there-is-none", "/dev/null", "linux-vdso.so.1"]), undefined);
});

/** Family, port, flow information and address, scope. */
const sockaddrs = [
  ["127.0.0.1", 8080, "0200 1f90 7f000001 0000000000000000"],
  ["255.255.255.255", 65_535, "0200 ffff ffffffff 0000000000000000"],
  ["::1", 80, "0a00 0050 00000000 00000000000000000000000000000001 00000000"],
  ["::", 0, "0a00 0000 00000000 00000000000000000000000000000000 00000000"],
  ["2001:db8::1", 1, "0a00 0001 00000000 20010db8000000000000000000000001 00000000"],
  ["2001:db8:1:2:3:4:5:6", 1, "0a00 0001 00000000 20010db8000100020003000400050006 00000000"],
  ["2001:db8::", 1, "0a00 0001 00000000 20010db8000000000000000000000000 00000000"],
] as const;

for (const [address, port, spaced] of sockaddrs) {
  Deno.test(`${address}, port ${port} is written and read as C has it`, () => {
    const hex = spaced.replaceAll(" ", "");
    equal(encodeSockaddr({ address, port })?.toHex(), hex);
    const view = new DataView(Uint8Array.fromHex(hex.padEnd(56, "0")).buffer);
    deepEqual(readSockaddr(view, 0), { address, port });
  });
}

Deno.test("what is no address is not written", () => {
  for (const address of ["", "localhost", "1.2.3", "01.2.3.4", ":::", "fe80::1%1", "[::1]"]) {
    equal(encodeSockaddr({ address, port: 1 }), undefined, address);
  }
  for (const port of [-1, 65_536, 0.5, NaN, Infinity]) {
    equal(encodeSockaddr({ address: "127.0.0.1", port }), undefined, `${port}`);
  }
});

Deno.test("addresses are read right from a cache that is too small for them", () => {
  const cache = new SockaddrCache();
  const view = new DataView(new ArrayBuffer(32));
  const bytes = new Uint8Array(view.buffer);
  for (let times = 0; times < 2; times++) {
    for (let count = 0; count < 5000; count++) {
      const address = count % 2 === 0 ? `10.0.${count >> 8}.${count & 255}` : `2001:db8::${count}`;
      const wanted = { address, port: 1000 + count % 7 };
      bytes.fill(0).set(encodeSockaddr(wanted) ?? []);
      const read = cache.read(view, 0);
      deepEqual(read, wanted);
      equal(cache.read(view, 0), read);
    }
  }
  bytes.fill(0);
  equal(cache.read(view, 0), undefined);
});
