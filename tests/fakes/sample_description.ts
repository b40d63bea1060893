/** Session descriptions to start from, and to draw. */
import fc from "fast-check";
import { createOwnInit } from "../../src/sctp/own_init.ts";
import type { Candidate, SessionDescription } from "../../src/link/session_description.ts";

/** An offer with one candidate. */
export const sampleDescription: SessionDescription = {
  type: "offer",
  sessionId: "4611686018427387904",
  iceUfrag: "a1B2",
  icePwd: "0123456789abcdefABCDEF+/",
  fingerprint: Array(32).fill("A7").join(":"),
  setup: "actpass",
  mid: "0",
  sctpPort: 5000,
  sctpInit: createOwnInit({ random: (length) => new Uint8Array(length).fill(length) }),
  maxMessageSize: 262_144,
  candidates: [
    {
      foundation: "1",
      priority: 2_130_706_431,
      address: "192.0.2.7",
      port: 50_000,
      type: "host",
    },
  ],
  hasAllCandidates: true,
};

/** The same with many different candidates, so that its text is long and does not compress. */
export function descriptionWithCandidates(count: number): SessionDescription {
  const candidates = Array.from({ length: count }, (_, position): Candidate => ({
    foundation: String(position + 1),
    priority: 2_130_706_431 - position * 7_919,
    address: `2001:db8:${
      [position * 7919, position * 104_729, position * 15_485_863].map((one) =>
        (one % 65_521 + 1).toString(16)
      ).join(":")
    }::1`,
    port: 1024 + (position * 48_611) % 64_000,
    type: "host",
  }));
  return { ...sampleDescription, candidates };
}

const hexByte = fc.integer({ min: 0, max: 255 }).map((byte) =>
  byte.toString(16).toUpperCase().padStart(2, "0")
);
const iceChars = (minLength: number, maxLength: number) =>
  fc.string({
    minLength,
    maxLength,
    unit: fc.constantFrom(..."abcXYZ0189+/"),
  });
const digits = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String);

const candidate: fc.Arbitrary<Candidate> = fc.record({
  foundation: iceChars(1, 32),
  priority: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  address: fc.oneof(
    fc.tuple(
      fc.integer({ min: 1, max: 223 }),
      fc.nat(255),
      fc.nat(255),
      fc.nat(255),
    ).map((octets) => octets.join(".")),
    fc.integer({ min: 1, max: 0xffff }).map((group) => `2001:db8::${group.toString(16)}`),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
  type: fc.constantFrom("host", "srflx", "prflx", "relay"),
});

/** Any description that this program may write. */
export const anyDescription: fc.Arbitrary<SessionDescription> = fc.record({
  type: fc.constantFrom("offer", "answer"),
  sessionId: digits,
  answers: fc.option(digits, { nil: undefined }),
  iceUfrag: iceChars(4, 32),
  icePwd: iceChars(22, 64),
  fingerprint: fc.array(hexByte, { minLength: 32, maxLength: 32 }).map((bytes) => bytes.join(":")),
  setup: fc.constantFrom("active", "passive"),
  mid: fc.constantFrom("0", "data", "a-b_c.1"),
  sctpPort: fc.integer({ min: 1, max: 65_535 }),
  maxMessageSize: fc.nat(Number.MAX_SAFE_INTEGER),
  candidates: fc.array(candidate, { maxLength: 32 }),
  hasAllCandidates: fc.boolean(),
}).map(({ answers, ...rest }) => ({
  ...rest,
  type: rest.type as SessionDescription["type"],
  setup: rest.setup as SessionDescription["setup"],
  candidates: rest.candidates as Candidate[],
  ...(answers === undefined ? {} : { answers }),
}));
