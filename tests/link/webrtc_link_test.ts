/** Links over real sockets, between two nodes in one process. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chooseAead } from "../../src/crypto/choose_aead.ts";
import { fingerprintOf } from "../../src/identity/certificate.ts";
import type { Judge } from "../../src/identity/judge.ts";
import { hostAddresses } from "../../src/link/host_addresses.ts";
import {
  createFactory,
  joinFactories,
  type JoinOptions,
  type LinkLog,
  nothingLeft,
} from "./link_stage.ts";

const mismatch = "the other end's certificate is not the one its text names";
const closedByOther = "the other node closed the link";
const otherFingerprint = Array(32).fill("AB").join(":");

// Once, as a library that was loaded stays so.
const choice = await chooseAead();
const fastestAead = () => Promise.resolve(choice);

/** Runs a test with a link that begins to connect. */
async function onLink(
  options: JoinOptions & { readonly factory?: ReturnType<typeof createFactory> },
  test: (ends: { a: LinkLog; z: LinkLog }) => Promise<void>,
): Promise<void> {
  const factory = options.factory ?? createFactory();
  const ends = await joinFactories({ a: factory, z: factory }, options);
  try {
    await test(ends);
  } finally {
    await Promise.all([ends.a.link.close("the test is over"), ends.z.link.close("")]);
  }
}

/** The same, once it is up. */
function onLinkThatIsUp(test: (ends: { a: LinkLog; z: LinkLog }) => Promise<void>): Promise<void> {
  return onLink({}, async (ends) => {
    await Promise.all([ends.a.up, ends.z.up]);
    await test(ends);
  });
}

/** Resolves when something holds, which is looked at whenever anything comes on the channel. */
function until(
  channel: { onBinary: (bytes: Uint8Array) => void; onText: (text: string) => void },
  isReached: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (isReached()) resolve();
    };
    channel.onBinary = look;
    channel.onText = look;
    look();
  });
}

Deno.test(
  "two nodes find each other, and name the path from both sides",
  nothingLeft,
  () =>
    onLinkThatIsUp(({ a, z }) => {
      assert.deepEqual([a.link.state, z.link.state], ["up", "up"]);
      assert.equal(a.path?.remote, z.path?.local);
      assert.equal(a.path?.local, z.path?.remote);
      const host = a.path?.local.replace(/:\d+$/, "").replaceAll(/[[\]]/g, "");
      assert.ok(hostAddresses().includes(host ?? ""), `${host} is an address of this host`);
      assert.equal(a.path?.isRelayed, false);
      return Promise.resolve();
    }),
);

Deno.test(
  "a node behind a text that names another certificate is refused",
  nothingLeft,
  () =>
    onLink(
      { carryAnswer: (answer) => ({ ...answer, fingerprint: otherFingerprint }) },
      async ({ a, z }) => {
        assert.equal(await a.closed, mismatch);
        assert.notEqual(await z.closed, mismatch);
        assert.equal(a.path, undefined);
        assert.equal(z.path, undefined);
      },
    ),
);

Deno.test("so is one behind an offer that names another certificate", nothingLeft, () =>
  onLink(
    { carryOffer: (offer) => ({ ...offer, fingerprint: otherFingerprint }) },
    async ({ a, z }) => {
      assert.equal(await z.closed, mismatch);
      await a.closed;
      assert.equal(a.path, undefined);
      assert.equal(z.path, undefined);
    },
  ));

for (const side of ["a", "z"] as const) {
  Deno.test(
    `a node that the judge of ${side} refuses gets no link, and why is said`,
    nothingLeft,
    async () => {
      const judge: Judge = () => ({ ok: false, reason: "nobody knows it" });
      await onLink({ [side]: { judge } }, async (ends) => {
        assert.equal(await ends[side].closed, "the other node is not accepted: nobody knows it");
        await Promise.all([ends.a.closed, ends.z.closed]);
        assert.deepEqual([ends.a.path, ends.z.path], [undefined, undefined]);
      });
    },
  );
}

Deno.test(
  "a judge is shown the certificate whose fingerprint the text names",
  nothingLeft,
  async () => {
    const shown = new Set<string>();
    const judge: Judge = (chain) => {
      for (const certificate of chain) shown.add(fingerprintOf(certificate));
      return { ok: false, reason: "" };
    };
    await onLink({ z: { judge } }, async ({ z }) => {
      await z.closed;
      assert.deepEqual([...shown], [z.link.peerFingerprint]);
    });
  },
);

Deno.test(
  "a link that drains says so, and ends once its last channel is let go",
  nothingLeft,
  () =>
    onLinkThatIsUp(async ({ a, z }) => {
      const channel = a.open();
      let count = 0;
      a.onDraining = () => {
        count++;
        channel.channel.close();
      };
      a.link.drain("another is taken");
      assert.equal(await a.closed, "another is taken");
      await z.closed;
      assert.equal(count, 1);
    }),
);

Deno.test(
  "the other node is told of a close",
  nothingLeft,
  () =>
    onLinkThatIsUp(async ({ a, z }) => {
      const channel = a.open();
      await a.link.close("that is all");
      assert.equal(await a.closed, "that is all");
      assert.equal(await z.closed, closedByOther);
      assert.equal(channel.isClosed, true);
      assert.throws(() => a.open(), /needs a link that is up/);
    }),
);

Deno.test(
  "texts and bytes go both ways as they are, and in order",
  nothingLeft,
  () =>
    onLinkThatIsUp(async ({ a, z }) => {
      const texts = ["", "hello", "grüße 👋", "x".repeat(200_000)];
      const pieces = [0, 1, 1_000, 16_000].map((length) => new Uint8Array(randomBytes(length)));
      z.onChannel = (echo) => {
        echo.onText = (text) => echo.channel.sendText(text);
        echo.onBinary = (bytes) => echo.channel.sendBinary(bytes, 0, bytes.length);
      };
      const channel = a.open("[fd00::1]:80");
      for (const text of texts) channel.channel.sendText(text);
      for (const piece of pieces) channel.channel.sendBinary(piece, 0, piece.length);
      await until(channel, () => channel.texts.length === 4 && channel.pieces.length === 4);
      assert.deepEqual(channel.texts, texts);
      assert.deepEqual(channel.pieces, pieces);
      const [echo] = z.channels;
      assert.deepEqual([echo?.channel.label, echo?.channel.protocol], [
        "[fd00::1]:80",
        "aetherport-tcp/1",
      ]);
    }),
);

Deno.test(
  "either node opens channels, and what closes one reaches the other end",
  nothingLeft,
  () =>
    onLinkThatIsUp(async ({ a, z }) => {
      const [fromA, fromZ] = [a.open("from a"), z.open("from z")];
      fromA.channel.sendText("last words");
      fromA.channel.close();
      const atZ = await new Promise<string[]>((resolve) =>
        z.onChannel = (channel) => channel.onClosed = () => resolve(channel.texts)
      );
      assert.deepEqual(atZ, ["last words"]);
      assert.equal(fromA.isClosed, false, "who closes a channel is not told of it");
      assert.equal(fromZ.isClosed, false);
    }),
);

for (const [name, choose] of [["node:crypto", undefined], ["the fastest AEAD", fastestAead]]) {
  Deno.test(`carries 8 MB each way exactly with ${name}`, nothingLeft, () =>
    onLink(
      typeof choose === "function" ? { factory: createFactory({ chooseAead: choose }) } : {},
      async ({ a, z }) => {
        await Promise.all([a.up, z.up]);
        const [up, down] = [randomBytes(8_000_000), randomBytes(8_000_000)];
        const atZ = Promise.withResolvers<Uint8Array>();
        z.onChannel = (channel) => {
          channel.sendAll(down);
          void until(channel, () => channel.receivedLength === up.length)
            .then(() => atZ.resolve(channel.received()));
        };
        const channel = a.open();
        channel.sendAll(up);
        await until(channel, () => channel.receivedLength === down.length);
        assert.ok(down.equals(channel.received()));
        assert.ok(up.equals(await atZ.promise));
      },
    ));
}

Deno.test("an offer may be withdrawn, and an answerer may change its mind", async () => {
  const factory = createFactory();
  const offer = await factory.createOffer();
  offer.withdraw();
  offer.withdraw();
  const other = await factory.createOffer();
  const { link } = await factory.acceptOffer(other.description);
  await link.close("changed my mind");
  assert.equal(link.state, "closed");
  other.withdraw();
});

Deno.test("a node without a certificate of its own has another for every link", async () => {
  const factory = createFactory();
  const [one, other] = [await factory.createOffer(), await factory.createOffer()];
  assert.notEqual(one.description.fingerprint, other.description.fingerprint);
  one.withdraw();
  other.withdraw();
});
