/** Streams over one link do not hold one another up. */
import assert from "node:assert/strict";
import type { Channel, Link } from "../../src/link/link.ts";
import {
  initialCredit,
  tcpProtocol,
  TunnelStream,
  type TunnelStreamHandler,
} from "../../src/tunnel/tunnel_stream.ts";
import { type LinkLog, nothingLeft, onFakeLink } from "./link_stage.ts";

const requestLength = 100;
const requestCount = 20;

/** A stream whose payload is handed to a function, and consumed where that says so. */
class Stream implements TunnelStreamHandler {
  readonly stream: TunnelStream;
  receivedLength = 0;
  isClosed = false;
  handlePayload: (bytes: Uint8Array, start: number, end: number) => void;
  handleWritable: () => void = () => {};

  constructor(stream: TunnelStream, take: (length: number) => boolean) {
    this.stream = stream;
    stream.handler = this;
    this.handlePayload = (_, start, end) => {
      this.receivedLength += end - start;
      if (take(end - start)) stream.consume(end - start, 0);
    };
  }

  handleOpened(): void {}
  handleBatchEnd(): void {}
  handleEnd(): void {}
  handleReleased(): void {}

  handleClosed(): void {
    this.isClosed = true;
  }
}

/** Serves all streams: one target never reads, the others send back what comes. */
function serve({ link }: LinkLog): Stream[] {
  const streams: Stream[] = [];
  const take = (channel: Channel) => {
    const stream = new TunnelStream(channel, { role: "acceptor" });
    stream.accept();
    streams.push(
      new Stream(stream, (length) => {
        if (channel.label === "stalled:80") return false;
        stream.send(new Uint8Array(length), 0, length);
        return true;
      }),
    );
  };
  link.handler = { handleUp: () => {}, handleChannel: take, handleClosed: () => {} };
  return streams;
}

/** Sends all that it may, forever. */
function flood(link: Link): Stream {
  const channel = link.openChannel({ label: "stalled:80", protocol: tcpProtocol });
  const flooding = new Stream(new TunnelStream(channel, { role: "opener" }), () => true);
  const payload = new Uint8Array(16_384);
  flooding.handleWritable = () => {
    for (;;) {
      const length = Math.min(flooding.stream.sendableLength, payload.length);
      if (length === 0) return;
      flooding.stream.send(payload, 0, length);
    }
  };
  flooding.handleWritable();
  return flooding;
}

/** Asks again each time all of an answer has come. */
function converse(link: Link): Stream {
  const channel = link.openChannel({ label: "brisk:80", protocol: tcpProtocol });
  const request = new Uint8Array(requestLength);
  const asking = new Stream(new TunnelStream(channel, { role: "opener" }), () => {
    const isAnswered = asking.receivedLength % requestLength === 0;
    if (isAnswered && asking.receivedLength < requestCount * requestLength) ask();
    return true;
  });
  const ask = () => asking.stream.send(request, 0, requestLength);
  ask();
  return asking;
}

for (const loss of [0, 0.05]) {
  const path = loss === 0 ? "a clean path" : "a path that loses 5 %";
  Deno.test(
    `a stream that nobody reads holds its credit, and 100 others go on over ${path}`,
    nothingLeft,
    () =>
      onFakeLink({ delay: 10, loss }, async ({ time, a, z }) => {
        const served = serve(z);
        flood(a.link);
        await time.pass(5_000);
        const asking = Array.from({ length: 100 }, () => converse(a.link));
        const isAnswered = ({ receivedLength }: Stream) =>
          receivedLength === requestCount * requestLength;
        await time.passUntil(() => asking.every(isAnswered), "answers");
        assert.equal(served.length, 101);
        assert.equal(served[0]?.receivedLength, initialCredit);
        assert.ok(served.every(({ isClosed }) => !isClosed));
      }),
  );
}

Deno.test(
  "what a stream that nobody reads holds is let go when it is reset",
  nothingLeft,
  () =>
    onFakeLink({ delay: 10 }, async ({ time, a, z }) => {
      const served = serve(z);
      // Together they hold all that the link may hold.
      const floods = Array.from({ length: 20 }, () => flood(a.link));
      await time.pass(10_000);
      const held = served.reduce((sum, { receivedLength }) => sum + receivedLength, 0);
      assert.ok(held > 4_000_000, `${held} bytes are held`);
      for (const { stream } of floods) stream.reset("enough");
      const asking = converse(a.link);
      await time.passUntil(
        () => asking.receivedLength === requestCount * requestLength,
        "answers",
      );
    }),
);
