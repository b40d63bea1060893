/** Changed requests over a control socket: each has to be answered, whatever it says. */
import { ok } from "node:assert/strict";
import { LineReader } from "../../src/control/line_stream.ts";
import { parseControlAnswer } from "../../src/control/control_answer.ts";
import { controlRequests } from "../fakes/fuzz_targets.ts";
import { mutate, SeededRandom } from "../fakes/mutator.ts";

/** Says so many lines on one connection; throws with the seed and the line that was not answered. */
export async function fuzzSocket(
  path: string,
  { seed, count }: { readonly seed: number; readonly count: number },
): Promise<void> {
  const random = new SeededRandom(seed);
  using connection = await Deno.connect({ transport: "unix", path });
  const answers = new LineReader(connection, 1_000_000);
  for (let turn = 0; turn < count; turn++) {
    // A line feed within would make two of it.
    const line = mutate(controlRequests, random).replaceAll("\n", " ");
    await writeRaw(connection, `${line}\n`);
    const answer = parseControlAnswer(await answers.next() ?? "");
    const isAnswered = answer !== undefined && (answer.ok || answer.code === "bad-request");
    ok(isAnswered, `seed ${seed}, turn ${turn}: ${JSON.stringify(line)}`);
  }
}

async function writeRaw(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}
