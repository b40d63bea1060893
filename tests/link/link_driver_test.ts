/** Whole links, but for the path: what comes of them does not depend on real time or sockets. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Channel } from "../../src/link/link.ts";
import type { SessionDescription } from "../../src/link/session_description.ts";
import type { Weather } from "../fakes/path_pair.ts";
import { Random } from "../sim/random.ts";
import { nothingLeft, onFakeLink, onFakeStage } from "./link_stage.ts";

const badWeather: Weather = { loss: 0.1, duplication: 0.05, delay: 10, jitter: 15 };

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(
    `carries 300 KB each way exactly through loss and disorder (seed ${seed})`,
    nothingLeft,
    () =>
      onFakeLink({ ...badWeather, seed }, async ({ time, a, z }) => {
        const random = new Random(seed);
        const [up, down] = [random.bytes(300_000), random.bytes(300_000)];
        z.onChannel = (channel) => channel.sendAll(down);
        const channel = a.open();
        channel.sendAll(up);
        const received = () => z.channels[0]?.receivedLength;
        await time.passUntil(
          () => received() === up.length && channel.receivedLength === down.length,
          "all of the data",
        );
        assert.deepEqual(z.channels[0]?.received(), up);
        assert.deepEqual(channel.received(), down);
      }),
  );
}

Deno.test(
  "a path that takes less than it did carries on what was cut for more",
  nothingLeft,
  () =>
    onFakeLink({ delay: 20 }, async ({ time, network, a, z }) => {
      const payload = new Uint8Array(randomBytes(5_000_000));
      const channel = a.open();
      channel.sendAll(payload);
      await time.passUntil(() => (z.channels[0]?.receivedLength ?? 0) > 1_000_000, "a part");
      network.longest = 1_300;
      await time.passUntil(() => z.channels[0]?.receivedLength === payload.length, "the rest");
      assert.deepEqual(z.channels[0]?.received(), payload);
    }),
);

Deno.test("connects through 20 % loss", nothingLeft, async () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    await onFakeLink({ loss: 0.2, delay: 10, seed }, () => Promise.resolve());
  }
});

Deno.test(
  "garbage changes nothing once the link is up",
  nothingLeft,
  () =>
    onFakeLink({ delay: 5, jitter: 5 }, async ({ time, network, a, z }) => {
      network.weather = { ...network.weather, garbage: 1 };
      const payload = new Uint8Array(randomBytes(200_000));
      a.open().sendAll(payload);
      await time.passUntil(() => z.channels[0]?.receivedLength === payload.length, "data");
      assert.deepEqual(z.channels[0]?.received(), payload);
      assert.deepEqual([a.link.state, z.link.state], ["up", "up"]);
    }),
);

Deno.test(
  "noise before the link is up does not keep it from coming up",
  nothingLeft,
  () =>
    onFakeStage({ delay: 5 }, async ({ time, network, a, z }) => {
      const random = new Random(7);
      for (let count = 0; count < 200; count++) {
        for (const end of network.ends) end.deliver(random.bytes(random.below(100)));
      }
      await time.passUntil(() => a.link.state === "up" && z.link.state === "up", "link");
    }),
);

Deno.test(
  "what comes before this node knows of the path is not lost",
  nothingLeft,
  () =>
    onFakeLink({ delay: 5, openDelay: 60 }, ({ time }) => {
      // A handshake of a few round trips from the moment on, without a flight sent again.
      assert.ok(time.now < 60 + 100, `the link was up after ${time.now} ms only`);
      return Promise.resolve();
    }),
);

for (const isGivenBack of [false, true]) {
  const name = isGivenBack ? "an answer gives the offer's INIT back" : "an offer has no INIT";
  Deno.test(`where ${name}, SCTP shakes hands`, nothingLeft, () => {
    let init: SessionDescription["sctpInit"];
    const carryOffer = ({ sctpInit, ...offer }: SessionDescription) => {
      init = sctpInit;
      return offer;
    };
    const carryAnswer = (answer: SessionDescription) => {
      assert.equal(answer.sctpInit, undefined);
      return isGivenBack && init !== undefined ? { ...answer, sctpInit: init } : answer;
    };
    return onFakeLink({ delay: 5, carryOffer, carryAnswer }, async ({ time, a, z }) => {
      a.open().sendAll(new Uint8Array(1_000));
      await time.passUntil(() => z.channels[0]?.receivedLength === 1_000, "data");
    });
  });
}

Deno.test("both nodes name the path", nothingLeft, () =>
  onFakeLink({}, ({ a, z }) => {
    assert.deepEqual(a.path, {
      local: "192.0.2.1:1000",
      remote: "192.0.2.2:1000",
      isRelayed: false,
    });
    assert.equal(z.path?.remote, "192.0.2.1:1000");
    return Promise.resolve();
  }));

Deno.test(
  "a node that falls silent is missed after 3 s, unreachable after 30, and held for 60 more",
  nothingLeft,
  () =>
    onFakeLink({}, async ({ time, network, a, z }) => {
      const channel = a.open();
      // Between two heartbeats, so that both nodes have heard the other as late.
      await time.pass(60_500);
      network.isSilent = true;
      const begun = time.now;
      await time.passUntil(() => a.healths.length === 1 && z.healths.length === 1, "silence");
      assert.ok(time.now - begun <= 3_100, `missed after ${time.now - begun} ms`);
      assert.ok(a.link.silence >= 3_000 && a.link.silence <= 3_100);
      await time.passUntil(() => a.healths.length === 2 && z.healths.length === 2, "silence");
      assert.deepEqual([a.healths, z.healths], [["silent", "unreachable"], [
        "silent",
        "unreachable",
      ]]);
      assert.ok(time.now - begun <= 30_100, `unreachable after ${time.now - begun} ms`);
      assert.deepEqual([channel.isClosed, a.link.state], [false, "up"]);
      await time.passUntil(() => a.reason !== undefined && z.reason !== undefined, "end");
      assert.deepEqual([a.reason, z.reason], [
        "the other node does not answer any more",
        "the other node does not answer any more",
      ]);
      const held = time.now - begun;
      assert.ok(held > 88_000 && held <= 90_100, `held for ${held} ms`);
      assert.deepEqual([channel.isClosed, z.channels[0]?.isClosed], [true, true]);
    }),
);

for (const seconds of [2, 5, 25, 45, 85]) {
  Deno.test(
    `all that was under way arrives within 3 s of the return after ${seconds} s of silence`,
    nothingLeft,
    () =>
      onFakeLink({ delay: 20 }, async ({ time, network, a, z }) => {
        const bytes = new Random(1).bytes(400_000);
        const sender = a.open();
        const answerer = z.open("back").channel;
        await time.pass(1_000);
        sender.sendAll(bytes);
        answerer.sendText("before");
        await time.pass(50);
        network.isSilent = true;
        await time.pass(seconds * 500);
        answerer.sendText("meanwhile");
        await time.pass(seconds * 500);
        network.isSilent = false;
        const returned = time.now;
        const isThere = () =>
          z.channels[0]?.receivedLength === bytes.length && a.channels[0]?.texts.length === 2;
        await time.passUntil(isThere, "return");
        assert.ok(time.now - returned <= 3_000, `after ${time.now - returned} ms`);
        assert.deepEqual(z.channels[0]?.received(), bytes);
        assert.deepEqual(a.channels[0]?.texts, ["before", "meanwhile"]);
        await time.pass(2_000);
        assert.deepEqual(a.healths.at(-1) ?? "heard", "heard");
      }),
  );
}

Deno.test(
  "an idle link stays up, and sends a few packets a second",
  nothingLeft,
  () =>
    onFakeLink({ delay: 10 }, async ({ time, network, a, z }) => {
      await time.pass(60_000);
      const before = network.sentCount;
      await time.pass(600_000);
      assert.deepEqual([a.link.state, z.link.state], ["up", "up"]);
      const perSecond = (network.sentCount - before) / 600;
      assert.ok(perSecond <= 5, `${perSecond} packets a second`);
    }),
);

Deno.test(
  "a path that never opens is given up after 30 s",
  nothingLeft,
  () =>
    onFakeStage({}, async ({ time, network, a }) => {
      network.isSilent = true;
      await time.passUntil(() => a.reason !== undefined, "end");
      assert.equal(a.reason, "the other node was not reached within 30 s");
      assert.equal(time.now, 30_000);
    }),
);

Deno.test(
  "a path that fails ends the link with its reason",
  nothingLeft,
  () =>
    onFakeLink({}, ({ network, a }) => {
      network.ends[0]?.handler?.handleFailed("the cable was cut");
      assert.equal(a.reason, "the cable was cut");
      return Promise.resolve();
    }),
);

Deno.test(
  "the other node is told of a close at once, even in the midst of a transfer",
  nothingLeft,
  () =>
    onFakeLink({ delay: 10 }, async ({ time, a, z }) => {
      a.open().sendAll(new Uint8Array(10_000_000));
      await time.pass(300);
      const begun = time.now;
      await a.link.close("enough");
      assert.equal(a.reason, "enough");
      await time.passUntil(() => z.reason !== undefined, "end");
      assert.equal(z.reason, "the other node closed the link");
      assert.equal(time.now - begun, 10);
    }),
);

Deno.test(
  "a link that is closed from within its own calls ends once, and sends no more",
  nothingLeft,
  () =>
    onFakeLink({ delay: 10 }, async ({ time, network, a, z }) => {
      z.onChannel = (channel) => channel.onBinary = () => void z.link.close("from within");
      const channel = a.open();
      channel.sendAll(new Uint8Array(200_000));
      await time.passUntil(() => a.reason !== undefined, "end");
      assert.equal(z.reason, "from within");
      assert.equal(z.channels[0]?.pieces.length, 1);
      assert.equal(channel.isClosed, true);
      const before = network.sentCount;
      await time.pass(10_000);
      assert.equal(network.sentCount, before);
    }),
);

Deno.test(
  "a link that is closed before its path is open says nothing and leaves nothing",
  nothingLeft,
  () =>
    onFakeStage({ delay: 100 }, async ({ network, a, z }) => {
      await Promise.all([a.link.close("never mind"), z.link.close("never mind")]);
      assert.deepEqual([a.reason, z.reason], ["never mind", "never mind"]);
      assert.equal(network.sentCount, 0);
    }),
);

Deno.test(
  "draining waits for the last channel, and opens none",
  nothingLeft,
  () =>
    onFakeLink({}, async ({ time, a, z }) => {
      const channel = a.open();
      a.link.drain("done");
      assert.equal(a.link.state, "draining");
      assert.throws(() => a.open(), /needs a link that is up/);
      channel.channel.sendText("last words");
      await time.pass(1_000);
      assert.deepEqual(z.channels[0]?.texts, ["last words"]);
      assert.equal(a.reason, undefined);
      channel.channel.close();
      await time.passUntil(() => z.reason !== undefined, "end");
      assert.equal(a.reason, "done");
    }),
);

Deno.test("a link without channels drains at once", nothingLeft, () =>
  onFakeLink({}, ({ a }) => {
    a.link.drain("done");
    assert.equal(a.reason, "done");
    return Promise.resolve();
  }));

/** What all channels of a link may hold, and what may be on its way to them, in bytes. */
const unreadAllowance = 64 * 1024 * 1024;
const receiveWindow = 32 * 1024 * 1024;

Deno.test(
  "a reader that stands still is given so much at most, and the rest when it goes on",
  nothingLeft,
  () =>
    onFakeLink({ delay: 1 }, async ({ time, a, z }) => {
      const length = unreadAllowance + 2 * receiveWindow;
      const reader = { channel: undefined as Channel | undefined, heldLength: 0, isStill: true };
      z.link.handler = {
        handleUp: () => {},
        handleClosed: () => {},
        handleChannel: (channel) => {
          reader.channel = channel;
          channel.handler = {
            handleBinary: (_, start, end) => {
              reader.heldLength += end - start;
              if (!reader.isStill) channel.consume(end - start);
            },
            handleText: () => {},
            handleWritable: () => {},
            handleClosed: () => {},
          };
        },
      };
      a.open().sendAll(new Uint8Array(length));
      await time.pass(120_000);
      const { heldLength } = reader;
      assert.ok(heldLength >= unreadAllowance, `it was given ${heldLength} bytes only`);
      assert.ok(heldLength <= unreadAllowance + receiveWindow, `it was given ${heldLength} bytes`);
      assert.deepEqual([a.link.state, z.link.state], ["up", "up"]);
      reader.isStill = false;
      reader.channel?.consume(heldLength);
      await time.passUntil(() => reader.heldLength === length, "rest");
    }),
);

Deno.test(
  "a dozen readers that stand still hold no other channel up",
  nothingLeft,
  () =>
    onFakeLink({ delay: 1 }, async ({ time, a, z }) => {
      z.onChannel = (channel) => channel.isConsuming = channel.channel.label !== "still";
      for (let count = 0; count < 12; count++) a.open("still").sendAll(new Uint8Array(1_048_576));
      await time.pass(60_000);
      const payload = new Uint8Array(randomBytes(1_000_000));
      a.open("brisk").sendAll(payload);
      await time.passUntil(() => z.channels.at(-1)?.receivedLength === payload.length, "data");
      assert.deepEqual(z.channels.at(-1)?.received(), payload);
    }),
);

Deno.test(
  "an end that is idle again holds next to no blocks of the pool",
  nothingLeft,
  () =>
    onFakeLink(badWeather, async ({ time, pool, a, z }) => {
      a.open().sendAll(new Uint8Array(2_000_000));
      await time.passUntil(() => z.channels[0]?.receivedLength === 2_000_000, "data");
      await time.pass(10_000);
      // One of each of the four kinds is kept.
      assert.ok(pool.lentCount <= 4, `${pool.lentCount} blocks are held`);
    }),
);

Deno.test(
  "a link that ends in the midst of a transfer gives its memory back",
  nothingLeft,
  () =>
    onFakeLink(badWeather, async ({ time, pool, a }) => {
      for (let count = 0; count < 50; count++) a.open().sendAll(new Uint8Array(1_000_000));
      await time.pass(1_000);
      assert.ok(pool.lentCount > 30, `only ${pool.lentCount} blocks are held`);
      await a.link.close("enough");
      await time.pass(20_000);
      // One of each of the four kinds is kept.
      assert.ok(pool.lentCount <= 4, `${pool.lentCount} blocks are held`);
    }),
);
