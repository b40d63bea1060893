/** Row D16: what a stranger says before the peer has signed, case by case, and what is too much. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseCertificate, writeCertificate } from "../../src/dtls/certificate.ts";
import { writeCertificateRequest } from "../../src/dtls/certificate_request.ts";
import { parseClientHello, writeClientHello } from "../../src/dtls/client_hello.ts";
import { maxAlternatives, maxAttempts, maxTries } from "../../src/dtls/handshake_attempts.ts";
import type { HandshakeFragment, HandshakeType } from "../../src/dtls/handshake_header.ts";
import { maxHeldLength } from "../../src/dtls/reassembly.ts";
import { parseServerHello, writeServerHello } from "../../src/dtls/server_hello.ts";
import { Random } from "../sim/random.ts";
import { forgers } from "./hello_race.ts";
import { forgeFragment, forgeMessage, mapMessages, messagesIn } from "./on_path.ts";
import { bytesOf, Pair, type PairOptions, serverIdentity, type TappedDatagram } from "./pair.ts";

/** A stranger who puts this in front of the first flight of each end. */
function before(
  forge: (datagram: TappedDatagram) => readonly Uint8Array[],
): NonNullable<PairOptions["tap"]> {
  const hasSpoken = { client: false, server: false };
  return (datagram) => {
    if (hasSpoken[datagram.from]) return undefined;
    hasSpoken[datagram.from] = true;
    return [...forge(datagram), datagram.bytes];
  };
}

function expectConnection(options: PairOptions): Pair {
  const pair = new Pair(options);
  pair.run(20_000);
  ok(pair.isConnected(), JSON.stringify(pair.events));
  pair.send("client", bytesOf("ping"));
  pair.send("server", bytesOf("pong"));
  pair.run(pair.now + 100);
  deepEqual([pair.texts("server"), pair.texts("client")], [["ping"], ["pong"]]);
  return pair;
}

Deno.test("D16: what is said in the clear is without effect once the peer has signed", () => {
  const random = new Random(1);
  for (const [kind, forge] of Object.entries(forgers)) {
    expectConnection({
      // From the client's second flight on.
      tap: ({ index, bytes }) =>
        index < 2 ? undefined : [
          forge(random),
          bytes,
          ...Array.from(
            { length: 9 },
            (_, sequence) => forgeMessage("HelloRequest", sequence, new Uint8Array(0)),
          ),
        ],
    });
    ok(kind);
  }
});

Deno.test("D16: a HelloVerifyRequest before the ServerHello of a server that sends none", () => {
  const cookie = Uint8Array.of(0xfe, 0xff, 1, 7);
  const pair = expectConnection({
    tap: before(({ from }) =>
      from === "server" ? [forgeMessage("HelloVerifyRequest", 0, cookie)] : []
    ),
  });
  const hellos = pair.sent.flatMap(({ bytes }) => messagesIn(bytes)).filter(({ type }) =>
    type === "ClientHello"
  );
  deepEqual(hellos.map(({ sequence }) => sequence), [0, 1], "it was answered");
});

Deno.test("D16: the first hello is sent again, with the second, as long as neither is answered", () => {
  const pair = new Pair({ tap: () => [] });
  pair.deliver("client", forgeMessage("HelloVerifyRequest", 0, Uint8Array.of(0xfe, 0xff, 1, 7)));
  const before = pair.sent.length;
  pair.run(150);
  const again = pair.sent.slice(before).flatMap(({ bytes }) => messagesIn(bytes));
  deepEqual(again.map(({ sequence }) => sequence), [0, 1]);
});

const mixedHellos: readonly [what: string, forge: (message: HandshakeFragment) => Uint8Array][] = [
  ["random", (message) => {
    const body = message.body.slice();
    body[10] = (body[10] ?? 0) ^ 1;
    return body;
  }],
  ["length", ({ body }) => body.slice(0, -1)],
];
for (const [what, forge] of mixedHellos) {
  Deno.test(`D16: hellos of another ${what} before the true ones`, () => {
    expectConnection({
      tap: before(({ bytes }) =>
        messagesIn(bytes).slice(0, 1).map((message) => {
          const body = forge(message);
          return forgeFragment({ ...message, body, length: body.length });
        })
      ),
    });
  });
}

/** A forger's message that is different each time, and comes as the first. */
function flood(count: number, kind: string, deliver: (bytes: Uint8Array) => void): void {
  const random = new Random(2);
  for (let done = 0; done < count;) {
    const bytes = forgers[kind]?.(random) ?? new Uint8Array(0);
    if (messagesIn(bytes)[0]?.sequence !== 0) continue;
    deliver(bytes);
    done++;
  }
}

Deno.test("D16: hellos that come without end are answered a bounded number of times", () => {
  const pair = new Pair({ tap: () => [] });
  flood(10 * maxTries, "a ClientHello", (bytes) => pair.deliver("server", bytes));
  const hellos = pair.sent.flatMap(({ from, bytes }) => from === "server" ? messagesIn(bytes) : [])
    .filter(({ type }) => type === "ServerHello");
  equal(hellos.length, maxAlternatives);
  equal(pair.ending("server"), undefined);
  pair.run();
  equal(pair.ending("server"), "unexpected-message");
});

Deno.test("D16: certificates as long as may be, of servers without end, are kept up to 1 MB", () => {
  const pair = new Pair({ tap: () => [] });
  const random = new Random(4);
  const say = (type: HandshakeType, sequence: number, body: Uint8Array) =>
    pair.deliver("client", forgeMessage(type, sequence, body));
  const sayHellos = (count: number, sequence: number) => {
    for (let said = 0; said < count; said++) {
      const [hello] = messagesIn(forgers["a ServerHello"]?.(random) ?? new Uint8Array(0));
      say("ServerHello", sequence, hello?.body ?? new Uint8Array(0));
    }
  };
  sayHellos(maxAlternatives - 1, 0);
  say("HelloVerifyRequest", 0, Uint8Array.of(0xfe, 0xff, 1, 7));
  sayHellos(maxAlternatives, 1);
  let most = 0;
  for (const sequence of [1, 2]) {
    for (let said = 0; said < maxAlternatives; said++) {
      const filler = new Uint8Array(15_500).fill(said);
      const chain = [serverIdentity.certificate, filler];
      say("Certificate", sequence, writeCertificate({ chain }));
      most = Math.max(most, pair.client.heldLength());
    }
  }
  ok(most > 500_000, `${most}`);
  ok(most < maxAttempts * 16_384 + maxHeldLength, `${most}`);
});

Deno.test("D16: when more was tried than any handshake needs, it ends at once", () => {
  const pair = new Pair({ tap: () => [] });
  const kind = "a ServerHello that chooses what was not offered";
  flood(maxTries - 1, kind, (bytes) => pair.deliver("client", bytes));
  equal(pair.ending("client"), undefined);
  pair.deliver("client", forgeMessage("ServerHello", 0, new Uint8Array(1)));
  equal(pair.ending("client"), "malformed-message");
});

/** What only one can say who has seen the true message: it carries what both ends have signed. */
const seen: Readonly<Record<string, (message: HandshakeFragment) => Uint8Array | undefined>> = {
  "a ClientHello with the client's random": ({ type, body }) => {
    const hello = type === "ClientHello" ? parseClientHello(body) : undefined;
    return hello && writeClientHello({ ...hello, cipherSuites: [0xcca9, 0x00ff] });
  },
  "a ServerHello with the server's random": ({ type, body }) => {
    const hello = type === "ServerHello" ? parseServerHello(body) : undefined;
    return hello && writeServerHello({ ...hello, sessionId: Uint8Array.of(1) });
  },
  "a longer chain with the server's certificate": ({ type, sequence, body }) => {
    const isServers = type === "Certificate" && sequence === 1;
    const certificate = isServers ? parseCertificate(body) : undefined;
    return certificate && writeCertificate({ chain: [...certificate.chain, Uint8Array.of(48)] });
  },
  "a CertificateRequest that takes more": ({ type }) =>
    type === "CertificateRequest"
      ? writeCertificateRequest({
        certificateTypes: [64, 1],
        signatureSchemes: [0x0403],
        authorities: new Uint8Array(0),
      })
      : undefined,
};

/** Puts what was changed before the whole flight, or right behind the message it is made of. */
function overtaking(
  change: (message: HandshakeFragment) => Uint8Array | undefined,
  place: "before its flight" | "within its flight",
): NonNullable<PairOptions["tap"]> {
  const forge = (message: HandshakeFragment) => {
    const body = change(message);
    return body === undefined ? [] : [{ ...message, body, length: body.length }];
  };
  return ({ bytes }) =>
    place === "before its flight"
      ? [...messagesIn(bytes).flatMap(forge).map(forgeFragment), bytes]
      : [mapMessages(bytes, (message) => [message, ...forge(message)])];
}

type Place = Parameters<typeof overtaking>[1];

// Of two messages the later is preferred, so that these come too early.
const survived: readonly [what: keyof typeof seen, place: Place][] = [
  ["a ServerHello with the server's random", "before its flight"],
  ["a ServerHello with the server's random", "within its flight"],
  ["a longer chain with the server's certificate", "before its flight"],
  ["a CertificateRequest that takes more", "before its flight"],
];
for (const [what, place] of survived) {
  Deno.test(`D16: ${what} ${place} dooms no handshake`, () => {
    expectConnection({ tap: overtaking(seen[what] ?? (() => undefined), place) });
  });
}

// Before the Finished nothing tells these from the true ones, as neither end has signed them.
const fatal: readonly [what: keyof typeof seen, place: Place][] = [
  ["a ClientHello with the client's random", "before its flight"],
  ["a longer chain with the server's certificate", "within its flight"],
  ["a CertificateRequest that takes more", "within its flight"],
];
for (const [what, place] of fatal) {
  Deno.test(`D16: with ${what} ${place} nobody is connected`, () => {
    const pair = new Pair({ tap: overtaking(seen[what] ?? (() => undefined), place) });
    pair.run();
    deepEqual([pair.ending("client"), pair.ending("server")], ["peer-alert", "bad-signature"]);
    for (const { type } of [...pair.events.client, ...pair.events.server]) equal(type, "ended");
  });
}
