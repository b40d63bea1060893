/** A filter between a client and a target, both in the test's hands. */
import { BufferPool } from "../../../src/buffer_pool.ts";
import type { Filter, FilterContext } from "../../../src/forward/filters/filter.ts";
import { fromLatin1, latin1 } from "../../../src/forward/filters/http/llhttp.ts";
import type { Connection } from "../../../src/socket/connection.ts";
import { vouchedPeer } from "../../fakes/sample_specs.ts";
import { FakeConnection } from "../../fakes/fake_connection.ts";

/** One stream under a filter. */
export class FilterStage {
  readonly target = new FakeConnection();
  readonly pool = new BufferPool();
  /** What was judged, "+" before what was allowed. */
  readonly judged: string[] = [];
  /** Why something was refused, one after the other. */
  readonly refusals: string[] = [];
  /** Why the filter broke the stream off. */
  readonly broken: string[] = [];
  readonly connection: Connection;

  constructor(filter: Filter, changes: Partial<FilterContext> = {}) {
    this.connection = filter(this.target, {
      peer: vouchedPeer("web-1", { team: "red" }),
      ruleName: "the rule",
      pool: this.pool,
      client: Promise.resolve("192.0.2.9:4711"),
      onJudged: (summary, refusal) => {
        this.judged.push(`${refusal === undefined ? "+" : "-"}${summary}`);
        if (refusal !== undefined) this.refusals.push(refusal);
      },
      breakOff: (reason) => this.broken.push(reason),
      ...changes,
    });
  }

  /** The client says this. */
  say(text: string): Promise<void> {
    return this.connection.write(fromLatin1(text));
  }

  /** What the client is told next; null at the end. */
  async hear(): Promise<string | null> {
    const buffer = new Uint8Array(65_536);
    const count = await this.connection.read(buffer);
    return count === null ? null : latin1(buffer.subarray(0, count));
  }

  /** All that the target was told. */
  get told(): string {
    return latin1(this.target.written);
  }

  /** The target answers this. */
  answer(text: string): void {
    this.target.supply(fromLatin1(text));
  }
}
