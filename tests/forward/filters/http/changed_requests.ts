/** Requests with bytes changed at random: what arrives is never more than what was judged. */
import { HttpParser } from "../../../../src/forward/filters/http/llhttp.ts";
import { fromLatin1 } from "../../../../src/forward/filters/http/llhttp.ts";
import { FilterError } from "../../../../src/forward/filters/filter.ts";
import { httpFilter } from "../../../../src/forward/filters/http/http_filter.ts";
import { mutate, SeededRandom } from "../../../fakes/mutator.ts";
import { FilterStage } from "../filter_stage.ts";

const samples = [
  "GET /public/a?b=c HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nCookie: d=e\r\n\r\n",
  "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /public/y HTTP/1.1\r\n" +
  "Host: a\r\n\r\n",
  "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n" +
  "GET /private HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "GET http://a/public/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
];
const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Sends so many. Throws where the target was told of what was not judged, or not allowed. */
export async function sendChangedRequests(seed: number, count: number): Promise<void> {
  const random = new SeededRandom(seed);
  for (let number = 0; number < count; number++) {
    await sendOne(changedRequest(random));
  }
}

/** One of a few requests, or what is left of it. */
export function changedRequest(random: SeededRandom): string {
  return mutate(samples, random);
}

async function sendOne(text: string): Promise<void> {
  const stage = new FilterStage(httpFilter({ paths: ["/public/**"] }));
  const reading = readAll(stage);
  const writing = stage.connection.write(fromLatin1(text)).catch((error) => {
    if (!(error instanceof FilterError)) throw error;
  });
  for (let answered = 0; answered < 4; answered++) {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    if (requestsIn(stage.told).length > answered) stage.answer(answer);
  }
  stage.connection.close();
  await Promise.all([reading, writing]);
  const allowed = stage.judged.filter((one) => one.startsWith("+"));
  const told = requestsIn(stage.told);
  if (told.length > allowed.length || !told.every((target) => target.startsWith("/public/"))) {
    throw new Error(`${JSON.stringify(text)} reached the target as ${JSON.stringify(stage.told)}`);
  }
}

async function readAll(stage: FilterStage): Promise<void> {
  try {
    while (await stage.hear() !== null);
  } catch {
    // It answers too often for what was asked, or the stream is over.
  }
}

/** The targets of the requests in a text. */
function requestsIn(text: string): string[] {
  const targets: string[] = [];
  const parser = new HttpParser("request", {
    handleHead: ({ target }) => {
      targets.push(target);
      return true;
    },
    handleBody: () => {},
    handleEnd: () => {},
  });
  for (let rest = fromLatin1(text); rest.length > 0;) {
    const { length, state } = parser.parse(rest);
    if (typeof state === "object") throw new Error(`${state.defect} in ${JSON.stringify(text)}`);
    if (state === "upgraded") break;
    rest = rest.subarray(length);
  }
  parser.destroy();
  return targets;
}
