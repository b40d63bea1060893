import { deepEqual, equal, match, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  type Candidate,
  DescriptionError,
  dtlsClientOf,
  type DtlsClientSide,
  parseCandidate,
  parseSessionDescription,
  writeCandidate,
  writeSessionDescription,
} from "../../src/link/session_description.ts";
import {
  anyDescription,
  descriptionWithCandidates,
  sampleDescription,
} from "../fakes/sample_description.ts";

const fingerprint = Array.from(
  { length: 32 },
  (_, at) => (at * 7 + 3).toString(16).toUpperCase().padStart(2, "0").slice(-2),
).join(":");
const otherFingerprint = Array(48).fill("EE").join(":");

/** As Chrome writes it, with mDNS, TCP and server-reflexive candidates. */
const chromeOffer = [
  "v=0",
  "o=- 4640010796743273391 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "a=extmap-allow-mixed",
  "a=msid-semantic: WMS",
  "m=application 46243 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 198.51.100.4",
  "a=candidate:3091073559 1 udp 2113937151 c17ad899-fc88-4380-9152-8a02ba055a45.local 58111 typ " +
  "host generation 0 network-cost 999",
  "a=candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0 " +
  "network-id 1 network-cost 10",
  "a=candidate:4233069003 1 udp 2122194687 2001:DB8:0::196 43112 typ host generation 0",
  "a=candidate:435653019 1 tcp 1518280447 192.168.0.196 9 typ host tcptype active generation 0",
  "a=candidate:842163049 1 udp 1677729535 198.51.100.4 46243 typ srflx raddr 192.168.0.196 " +
  "rport 46243 generation 0 network-id 1 network-cost 10",
  "a=candidate:1 1 udp 41885439 203.0.113.9 3478 typ relay raddr 198.51.100.4 rport 46243",
  "a=ice-ufrag:OpDk",
  "a=ice-pwd:OPd9GWsmjbN25gJMosh+0wjg",
  "a=ice-options:trickle",
  `a=fingerprint:sha-256 ${fingerprint}`,
  "a=setup:actpass",
  "a=mid:0",
  "a=sctp-port:5000",
  "a=max-message-size:262144",
  "",
].join("\r\n");

/** An INIT with FORWARD TSN, three extensions and a zero checksum for DTLS. */
const initText = "AQAAKBI0VngAUAAA//////xOnm/AAAAEgAgAB4LAQACAAQAIAAAAAQ==";

/** As Firefox writes it: the fingerprint before the m= line, UDP in capitals. */
const firefoxOffer = [
  "v=0",
  "o=mozilla...THIS_IS_SDPARTA-99.0 7337577341519262523 0 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=sendrecv",
  `a=fingerprint:sha-256 ${fingerprint}`,
  "a=group:BUNDLE 0",
  "a=ice-options:trickle",
  "a=msid-semantic:WMS *",
  "m=application 58712 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 198.51.100.4",
  "a=candidate:0 1 UDP 2122252543 192.168.6.2 58712 typ host",
  "a=candidate:2 1 TCP 2105524479 192.168.6.2 9 typ host tcptype active",
  "a=candidate:1 1 UDP 1686052863 198.51.100.4 58712 typ srflx raddr 192.168.6.2 rport 58712",
  "a=sendrecv",
  "a=end-of-candidates",
  "a=ice-pwd:7d6fa8fd92707c1f8b62be23c447ffc2",
  "a=ice-ufrag:25549086",
  "a=mid:0",
  "a=setup:actpass",
  "a=sctp-port:5000",
  "a=max-message-size:1073741823",
  "",
].join("\r\n");

/** As pion writes it: two components, mid as it was asked for, no message size. */
const pionAnswer = [
  "v=0",
  "o=- 2345161516151413121 1700000000 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=msid-semantic:WMS*",
  `a=fingerprint:sha-256 ${fingerprint.toLowerCase()}`,
  "a=extmap-allow-mixed",
  "a=group:BUNDLE data",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=setup:active",
  "a=mid:data",
  "a=sendrecv",
  "a=sctp-port:5000",
  "a=ice-ufrag:RNvcXbnFvpBfHGBh",
  "a=ice-pwd:tEkVrfpMSBQPVsXBXKSvYmHyYMqNSGMi",
  "a=candidate:1966762134 1 udp 2130706431 172.17.0.1 59218 typ host ufrag RNvcXbnFvpBfHGBh",
  "a=candidate:1966762134 2 udp 2130706431 172.17.0.1 59218 typ host ufrag RNvcXbnFvpBfHGBh",
  "a=candidate:2 1 udp 1694498815 198.51.100.4 59218 typ srflx raddr 0.0.0.0 rport 59218",
  "a=end-of-candidates",
  "",
].join("\r\n");

/** As aiortc writes it: three fingerprints, lines ended by LF only once it was pasted. */
const aiortcAnswer = [
  "v=0",
  "o=- 3941672213 3941672213 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "a=msid-semantic:WMS *",
  "m=application 35113 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 192.168.1.20",
  "a=mid:0",
  "a=sctp-port:5000",
  "a=max-message-size:65536",
  "a=candidate:9d2f 1 udp 2130706431 192.168.1.20 35113 typ host",
  "a=end-of-candidates",
  "a=ice-ufrag:dHJq",
  "a=ice-pwd:w8rT3vZ0Gq1f5kLmN2pQxY",
  `a=fingerprint:sha-384 ${otherFingerprint}`,
  `a=fingerprint:sha-256 ${fingerprint}`,
  "a=setup:active",
  "",
].join("\n");

const offer = writeSessionDescription(sampleDescription);

/** The sample offer with one of its lines replaced. */
function offerWith(line: RegExp, replacement: string): string {
  equal(line.test(offer), true, String(line));
  return offer.replace(line, replacement);
}

function problemOf(type: "offer" | "answer", sdp: string): string {
  try {
    parseSessionDescription(type, sdp);
  } catch (error) {
    if (error instanceof DescriptionError) return error.message;
    throw error;
  }
  return "accepted";
}

Deno.test("reads an offer of Chrome", () => {
  const description = parseSessionDescription("offer", chromeOffer);
  deepEqual({ ...description, candidates: [] }, {
    type: "offer",
    sessionId: "4640010796743273391",
    iceUfrag: "OpDk",
    icePwd: "OPd9GWsmjbN25gJMosh+0wjg",
    fingerprint,
    setup: "actpass",
    mid: "0",
    sctpPort: 5000,
    maxMessageSize: 262_144,
    hasAllCandidates: false,
    candidates: [],
  });
  deepEqual(description.candidates.map(({ address, type }) => `${address} ${type}`), [
    "192.168.0.196 host",
    "2001:db8::196 host",
    "198.51.100.4 srflx",
    "203.0.113.9 relay",
  ]);
});

Deno.test("reads an offer of Firefox", () => {
  const description = parseSessionDescription("offer", firefoxOffer);
  equal(description.sessionId, "7337577341519262523");
  equal(description.fingerprint, fingerprint);
  equal(description.maxMessageSize, 1_073_741_823);
  deepEqual(description.candidates.map(({ address }) => address), ["192.168.6.2", "198.51.100.4"]);
});

Deno.test("reads an answer of pion", () => {
  const description = parseSessionDescription("answer", pionAnswer);
  equal(description.fingerprint, fingerprint);
  equal(description.mid, "data");
  equal(description.setup, "active");
  equal(description.maxMessageSize, 65_536);
  equal(description.answers, undefined);
  equal(description.candidates.length, 2);
});

Deno.test("reads an answer of aiortc", () => {
  const description = parseSessionDescription("answer", aiortcAnswer);
  equal(description.fingerprint, fingerprint);
  equal(description.candidates.length, 1);
});

Deno.test("an answer may name the offer that it answers", () => {
  const answer = { ...sampleDescription, type: "answer", setup: "active", answers: "17" } as const;
  equal(parseSessionDescription("answer", writeSessionDescription(answer)).answers, "17");
});

Deno.test("refuses what is no data channel session", () => {
  const media = /m=application.*/;
  const refused = [
    "",
    "hello",
    "v=0",
    offerWith(media, ""),
    offerWith(media, "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
    offerWith(media, "m=video 9 UDP/TLS/RTP/SAVPF 96"),
    offerWith(media, "m=application 9 TCP/DTLS/SCTP webrtc-datachannel"),
    offerWith(media, "m=application 9 UDP/DTLS/SCTP bfcp"),
    offerWith(media, "m=application 9 DTLS/SCTP 5000"),
    `${offer}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n`,
    `${offer}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n`,
  ];
  for (const sdp of refused) {
    match(problemOf("offer", sdp), /exactly one data channel session/, sdp);
  }
});

Deno.test("says what is missing or malformed", () => {
  const problems: [line: RegExp, replacement: string, problem: RegExp][] = [
    [/a=ice-ufrag:.*\r\n/, "", /no ice-ufrag/],
    [/a=ice-pwd:.*\r\n/, "", /no ice-pwd/],
    [/a=setup:.*\r\n/, "", /no setup/],
    [/a=fingerprint:.*\r\n/, "", /no SHA-256 fingerprint/],
    [/a=ice-ufrag:.*/, "a=ice-ufrag:abc", /ice-ufrag is malformed/],
    [/a=ice-ufrag:.*/, `a=ice-ufrag:${"a".repeat(257)}`, /ice-ufrag is malformed/],
    [/a=ice-ufrag:.*/, "a=ice-ufrag:a b c d", /ice-ufrag is malformed/],
    [/a=ice-pwd:.*/, "a=ice-pwd:tooshort", /ice-pwd is malformed/],
    [/a=setup:.*/, "a=setup:holdconn", /setup is malformed/],
    [/a=mid:.*/, "a=mid:a b", /mid is malformed/],
    [/a=mid:.*/, "a=mid:", /mid is malformed/],
    [/a=sctp-port:.*/, "a=sctp-port:-1", /sctp-port is malformed/],
    [/a=sctp-port:.*/, "a=sctp-port:0", /out of range/],
    [/a=max-message-size:.*/, "a=max-message-size:1e9", /max-message-size is malformed/],
    [/a=fingerprint:.*/, "a=fingerprint:sha-256 AB:CD", /no SHA-256 fingerprint/],
    [
      /a=fingerprint:.*/,
      `a=fingerprint:sha-256 ${fingerprint.replace(":", "-")}`,
      /no SHA-256 fingerprint/,
    ],
    [
      /a=fingerprint:.*/,
      `a=fingerprint:sha-1 ${Array(20).fill("AB").join(":")}`,
      /no SHA-256 fingerprint/,
    ],
    [/a=fingerprint:.*/, `a=fingerprint:sha-384 ${otherFingerprint}`, /no SHA-256 fingerprint/],
  ];
  for (const [line, replacement, problem] of problems) {
    match(problemOf("offer", offerWith(line, replacement)), problem, replacement);
  }
});

Deno.test("refuses an SCTP port that is none", () => {
  match(problemOf("offer", offerWith(/a=sctp-port:.*/, "a=sctp-port:70000")), /out of range/);
});

Deno.test("an answer has to choose its DTLS role", () => {
  match(problemOf("answer", offer), /leaves the role open/);
  for (const setup of ["active", "passive"] as const) {
    const answer = offerWith(/a=setup:.*/, `a=setup:${setup}`);
    equal(parseSessionDescription("answer", answer).setup, setup);
  }
});

const setups = ["actpass", "active", "passive"] as const;
const roles: Readonly<Record<string, DtlsClientSide | RegExp>> = {
  "actpass, actpass": /leaves the role open/,
  "actpass, active": "answerer",
  "actpass, passive": "offerer",
  "active, actpass": /leaves the role open/,
  "active, active": /active as the offer's: each side begins the handshake/,
  "active, passive": "offerer",
  "passive, actpass": /leaves the role open/,
  "passive, active": "answerer",
  "passive, passive": /passive as the offer's: each side waits for the handshake/,
};
for (const offer of setups) {
  for (const answer of setups) {
    const expected = roles[`${offer}, ${answer}`];
    const what = expected instanceof RegExp ? "is refused" : `makes the ${expected} the client`;
    Deno.test(`D8: an offer that is ${offer} with an answer that is ${answer} ${what}`, () => {
      const decide = () => dtlsClientOf({ offer, answer });
      if (!(expected instanceof RegExp)) return equal(decide(), expected);
      throws(decide, (error) => error instanceof DescriptionError && expected.test(error.message));
    });
  }
}

Deno.test("refuses long texts unread", () => {
  match(problemOf("offer", offer + "a=x\r\n".repeat(10_000)), /too long/);
});

Deno.test("keeps 32 candidates of any number", () => {
  const sdp = writeSessionDescription(descriptionWithCandidates(300));
  const description = parseSessionDescription("offer", sdp);
  deepEqual(description.candidates, descriptionWithCandidates(32).candidates);
  // 10,000 that are of no use hide none that are.
  const useless = "a=candidate:1 2 udp 1 a 1\r\n".repeat(1_000);
  const hidden = offerWith(/a=candidate/, `${useless}a=candidate`);
  deepEqual(parseSessionDescription("offer", hidden).candidates, sampleDescription.candidates);
});

Deno.test("10,000 candidates in a text are at most 32, or a refusal", () => {
  const lines = Array.from(
    { length: 10_000 },
    (_, port) => `a=candidate:1 1 udp 1 192.0.2.1 ${port + 1} typ host`,
  );
  match(problemOf("offer", `${offer}${lines.join("\r\n")}\r\n`), /too long/);
});

const candidate = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host";

Deno.test("reads candidates that it can use", () => {
  const texts: [text: string, part: Partial<Candidate>][] = [
    [candidate, { foundation: "1", priority: 2_130_706_431, port: 50_000, type: "host" }],
    [candidate.replace("udp", "UDP"), { address: "192.0.2.7" }],
    [candidate.replace("host", "HOST"), { type: "host" }],
    [candidate.replace("192.0.2.7", "2001:DB8:0:0::7"), { address: "2001:db8::7" }],
    [candidate.replace("192.0.2.7", "::ffff:192.0.2.7"), { address: "192.0.2.7" }],
    [candidate.replace("192.0.2.7", "127.0.0.1"), { address: "127.0.0.1" }],
    [candidate.replace("host", "prflx raddr 10.0.0.1 rport 9"), { type: "prflx" }],
    [`${candidate} generation 0 ufrag abcd network-cost 999`, { port: 50_000 }],
  ];
  for (const [text, part] of texts) {
    const read = parseCandidate(text);
    deepEqual({ ...read, ...part }, read, text);
  }
});

Deno.test("ignores candidates that are of no use", () => {
  const useless = [
    "",
    "candidate:",
    candidate.replace("udp", "tcp"),
    candidate.replace("udp", "ssltcp"),
    candidate.replace(":1 1 ", ":1 2 "),
    candidate.replace("host", "magic"),
    candidate.replace("host", "hostile"),
    candidate.replace("50000", "0"),
    candidate.replace("50000", "65536"),
    candidate.replace("50000", "-1"),
    candidate.replace("2130706431", "0"),
    candidate.replace("2130706431", "2147483648"),
    candidate.replace("2130706431", "99999999999"),
    candidate.replace(":1 ", `:${"1".repeat(33)} `),
    candidate.replace(":1 ", ":a%b "),
    ...[
      "c17ad899-fc88-4380-9152-8a02ba055a45.local",
      "abc.de",
      "localhost",
      "0.0.0.0",
      "0.1.2.3",
      "224.0.0.1",
      "239.255.255.255",
      "::",
      "ff02::1",
      "::ffff:0.0.0.0",
      "::ffff:224.0.0.1",
      "127.1",
      "2130706433",
      "0x7f000001",
      "1.2.3",
      "01.2.3.4",
      "fe80::1%eth0",
      "[::1]",
    ].map((address) => candidate.replace("192.0.2.7", address)),
  ];
  for (const text of useless) equal(parseCandidate(text), undefined, text);
});

Deno.test("ignores reserved and broadcast addresses", () => {
  for (const address of ["240.0.0.1", "255.255.255.255"]) {
    equal(parseCandidate(candidate.replace("192.0.2.7", address)), undefined, address);
  }
});

Deno.test("never tells a related address", () => {
  const written = writeCandidate(
    { ...sampleDescription.candidates[0], type: "srflx" } as Candidate,
  );
  match(written, / typ srflx raddr 0\.0\.0\.0 rport 0$/);
});

Deno.test("writes lines ended by CRLF", () => {
  equal(offer.replaceAll("\r\n", "").includes("\n"), false);
  equal(offer.endsWith("\r\n"), true);
});

Deno.test("what is written reads back the same", () => {
  fc.assert(
    fc.property(anyDescription, (description) => {
      const sdp = writeSessionDescription(description);
      deepEqual(parseSessionDescription(description.type, sdp), description);
      deepEqual(parseSessionDescription(description.type, sdp.replaceAll("\r", "")), description);
    }),
    { seed: 11, numRuns: 500 },
  );
});

Deno.test("a text cut short is refused or has lost candidates only", () => {
  for (let length = 0; length < chromeOffer.length; length++) {
    const cut = chromeOffer.slice(0, length);
    const problem = problemOf("offer", cut);
    if (problem !== "accepted") continue;
    const description = parseSessionDescription("offer", cut);
    equal(description.fingerprint, fingerprint);
  }
  throws(() => parseSessionDescription("offer", chromeOffer.slice(0, 900)), DescriptionError);
});

Deno.test("the INIT that a description tells is read", () => {
  const { sctpInit } = parseSessionDescription(
    "offer",
    `${chromeOffer}a=sctp-init:${initText}\r\n`,
  );
  deepEqual(sctpInit, {
    initiateTag: 0x12345678,
    advertisedReceiverWindowCredit: 5_242_880,
    outboundStreams: 65_535,
    inboundStreams: 65_535,
    initialTsn: 0xfc4e9e6f,
    supportedExtensions: [130, 192, 64],
    isForwardTsnSupported: true,
    zeroChecksumMethod: 1,
    stateCookie: undefined,
    unrecognized: [],
  });
});

/** One after the other is wrong with it. */
const unusableInits: Readonly<Record<string, string>> = {
  "is empty": "",
  "is no base64": "AQAAKBI0VngAUAAA//////xOnm/AAAAEgAgAB4LAQACAAQAIAAAAAQ=",
  "is cut": initText.slice(0, 52),
  "is another chunk": `Ag${initText.slice(2)}`,
  "has the tag 0": initText.replace("KBI0Vng", "KAAAAAA"),
  "has no streams": initText.replace("//////", "AAAAAA"),
  "is too long": initText.slice(0, 52).repeat(20),
};
for (const [name, text] of Object.entries(unusableInits)) {
  Deno.test(`an INIT that ${name} counts as none`, () => {
    const description = parseSessionDescription("offer", `${chromeOffer}a=sctp-init:${text}\r\n`);
    equal(description.sctpInit, undefined);
  });
}
