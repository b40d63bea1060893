/** There are no media, but an SRTP profile is agreed on (RFC 5764): some peers insist. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseClientHello } from "../../src/dtls/client_hello.ts";
import { extensionTypes } from "../../src/dtls/extension.ts";
import { parseServerHello, writeServerHello } from "../../src/dtls/server_hello.ts";
import { chooseSrtpProfile, isSrtpChoice } from "../../src/dtls/use_srtp.ts";
import { changing, messagesIn } from "./on_path.ts";
import { connectedPair, Pair } from "./pair.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("our client offers two SRTP profiles, and our server takes the first", () => {
  const messages = connectedPair().sent.flatMap(({ bytes }) => messagesIn(bytes));
  const bodyOf = (type: string) =>
    messages.find((one) => one.type === type)?.body ?? new Uint8Array(0);
  const offered = parseClientHello(bodyOf("ClientHello"))?.extensions.get(extensionTypes.useSrtp);
  const chosen = parseServerHello(bodyOf("ServerHello"))?.extensions.get(extensionTypes.useSrtp);
  deepEqual([offered?.toHex(), chosen?.toHex()], ["00040007000100", "0002000700"]);
});

Deno.test("the client's first SRTP profile that we know is chosen; none of a malformed list", () => {
  equal(chooseSrtpProfile(hex("0006000800010007" + "00")), 1);
  equal(chooseSrtpProfile(hex("0002000700")), 7);
  equal(chooseSrtpProfile(hex("00020007" + "03aabbcc")), 7);
  for (
    const none of ["", "000000", "0002000800", "00020007", "0003000700" + "00", "000200070000"]
  ) {
    equal(chooseSrtpProfile(hex(none)), undefined, none);
  }
});

Deno.test("a server's SRTP profile is one of those offered, without an MKI", () => {
  for (const good of ["0002000700", "0002000100"]) ok(isSrtpChoice(hex(good)), good);
  const bad = ["", "000000", "0002000800", "00040007000100", "0002000701aa", "000200070000"];
  for (const one of bad) ok(!isSrtpChoice(hex(one)), one);
});

Deno.test("a server's SRTP profile that was not offered ends the handshake", () => {
  const tap = changing("ServerHello", (body) => {
    const hello = parseServerHello(body);
    ok(hello);
    const extensions = new Map(hello.extensions).set(extensionTypes.useSrtp, hex("0002000800"));
    return writeServerHello({ ...hello, extensions });
  });
  const pair = new Pair({ tap });
  pair.run();
  equal(pair.ending("client"), "no-agreement");
});
