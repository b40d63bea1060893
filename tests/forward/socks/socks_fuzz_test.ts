import { equal, match } from "node:assert/strict";
import { LogRecorder } from "../../fakes/log_recorder.ts";
import { mutate, SeededRandom } from "../../fakes/mutator.ts";
import { readToEnd, writeAll } from "../../fakes/sockets.ts";
import { socksFuzzTargets } from "../../fakes/socks_fuzz_targets.ts";
import { bytesOf, ProxyStage } from "./proxy_stage.ts";

const seed = 1;
const inputCount = 600;
/** Of clients at once. */
const batchLength = 50;

/** What a client is answered to all that it says; undefined where its connection was reset. */
async function answerTo(stage: ProxyStage, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const client = await stage.connect();
  try {
    await writeAll(client, bytes);
    await client.closeWrite();
    return await readToEnd(client);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return undefined;
    if (error instanceof Deno.errors.BrokenPipe) return undefined;
    throw error;
  } finally {
    client.close();
  }
}

for (const credentials of [undefined, "me:secret"]) {
  const whose = credentials === undefined ? "anybody" : "those with a password";
  Deno.test(`a listener for ${whose} answers changed dialogues in its protocols or not at all`, async () => {
    const log = await LogRecorder.start();
    await using stage = new ProxyStage(credentials === undefined ? {} : { credentials });
    const random = new SeededRandom(seed);
    const samples = socksFuzzTargets.flatMap(({ name, samples }) =>
      name.includes("datagrams") ? [] : samples
    );
    for (let count = 0; count < inputCount; count += batchLength) {
      const inputs = Array.from({ length: batchLength }, () => bytesOf(mutate(samples, random)));
      const answers = await Promise.all(inputs.map((bytes) => answerTo(stage, bytes)));
      for (const [at, answer] of answers.entries()) {
        if (answer === undefined || answer.length === 0) continue;
        equal(answer[0], inputs[at]?.[0] === 5 ? 5 : "H".charCodeAt(0), `input ${count + at}`);
      }
    }
    for (const { properties } of log.of("socks-failed")) {
      match(String(properties.problem), /it ended before|it speaks neither|reset|pipe|closed/i);
    }
  });
}
