/** What an association tells of what it sent, and sent again. */
import { deepEqual, equal } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { connectedPair } from "./association_pair.ts";
import { chunkTypesOf } from "./packets.ts";

const [messageCount, messageLength] = [50, 500];

/** Sends the messages over a path that loses some of their chunks; what its figures are then. */
function figuresAfter(isLost: (dataIndex: number) => boolean) {
  let dataIndex = 0;
  const pair = connectedPair({
    seed: 1,
    impairments: { delayMs: 20 },
    verdict: ({ from, bytes }) => {
      if (from !== "a") return "pass";
      const chunkCount = chunkTypesOf(bytes).filter((type) => type === chunkTypes.iData).length;
      const first = dataIndex;
      dataIndex += chunkCount;
      return chunkCount > 0 && isLost(first) ? "drop" : "pass";
    },
  });
  pair.call("a", ({ association }, now) => {
    for (let count = 0; count < messageCount; count++) {
      association.send(0, 51, new Uint8Array(messageLength), undefined, now);
    }
  });
  pair.run({
    until: ({ a }) => !a.association.figures.isInFlight && !a.association.figures.hasLost,
  });
  const { sentLength, resentLength } = pair.a.association.figures;
  const { receivedLength } = pair.z.association;
  return { sentLength, resentLength, receivedLength, chunkCount: dataIndex };
}

Deno.test("what is sent once is counted once", () => {
  const { sentLength, resentLength } = figuresAfter(() => false);
  deepEqual([sentLength, resentLength], [messageCount * messageLength, 0]);
});

Deno.test("what is sent again is counted again, and apart", () => {
  const { sentLength, resentLength, chunkCount } = figuresAfter((index) => index === 20);
  equal(sentLength, chunkCount * messageLength);
  equal(resentLength, (chunkCount - messageCount) * messageLength);
  equal(resentLength > 0, true);
});

Deno.test("what comes is counted once, however often it was sent", () => {
  for (const isLost of [() => false, (index: number) => index === 20]) {
    equal(figuresAfter(isLost).receivedLength, messageCount * messageLength);
  }
});
