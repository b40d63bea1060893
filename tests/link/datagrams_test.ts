/** Channels for datagrams over real links: what is lost stays lost, and nothing waits for it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { isSame, testBytes } from "../fakes/sockets.ts";
import { ChannelLog } from "./channel_log.ts";
import { nothingLeft, onFakeLink } from "./link_stage.ts";

const options = { label: "10.0.0.53:53", protocol: "aetherport-udp/1", isDatagrams: true };

function send({ channel }: ChannelLog, bytes: Uint8Array): void {
  channel.sendBinary(bytes, 0, bytes.length);
}

Deno.test("datagrams of any length pass both ways", nothingLeft, async () => {
  await onFakeLink({}, async ({ time, a, z }) => {
    const near = new ChannelLog(a.link.openChannel(options));
    const lengths = [0, 1, 1_200, 9_000, 65_507, 0];
    for (const length of lengths) {
      send(near, testBytes(length));
      await time.pass(100);
    }
    const [far] = z.channels;
    ok(far);
    ok(near.channel.maxFragmentedLength >= 65_507);
    for (const length of lengths) {
      send(far, testBytes(length));
      await time.pass(100);
    }
    for (const { pieces } of [near, far]) {
      deepEqual(pieces.map(({ length }) => length), lengths);
      ok(pieces.every((piece) => isSame(piece, testBytes(piece.length))));
    }
  });
});

Deno.test(
  "at 20 % loss so many datagrams come, none of them twice and none late",
  nothingLeft,
  async () => {
    await onFakeLink({ seed: 3, delay: 20 }, async ({ time, network, a, z }) => {
      const near = new ChannelLog(a.link.openChannel(options));
      await time.pass(1_000);
      const [far] = z.channels;
      ok(far);
      const sentAt: number[] = [];
      const delays: number[] = [];
      far.onBinary = (bytes) => delays.push(time.now - (sentAt[bytes.length] ?? 0));
      network.weather = { ...network.weather, loss: 0.2 };
      for (let count = 1; count <= 500; count++) {
        sentAt[count] = time.now;
        send(near, testBytes(count));
        await time.pass(10);
      }
      await time.pass(5_000);
      const lengths = far.pieces.map(({ length }) => length);
      equal(new Set(lengths).size, lengths.length);
      ok(lengths.length > 360 && lengths.length < 440, `${lengths.length} of 500`);
      ok(Math.max(...delays) < 21, `${Math.max(...delays)} ms`);
    });
  },
);

Deno.test("what could not be sent for long is not sent any more", nothingLeft, async () => {
  await onFakeLink({ delay: 5 }, async ({ time, network, a, z }) => {
    const near = new ChannelLog(a.link.openChannel(options));
    send(near, testBytes(1));
    await time.pass(1_000);
    network.isSilent = true;
    for (let count = 0; count < 100; count++) {
      if (near.channel.sendableLength >= 60_000) send(near, testBytes(60_000));
      await time.pass(10);
    }
    network.isSilent = false;
    await time.pass(2_000);
    send(near, testBytes(2));
    await time.pass(1_000);
    const lengths = z.channels[0]?.pieces.map(({ length }) => length) ?? [];
    equal(lengths.at(-1), 2);
    ok(lengths.length < 6, lengths.join());
  });
});
