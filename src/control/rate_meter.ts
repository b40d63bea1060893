/** How fast links are at the moment: what was counted a second or two ago is compared with now. */

/** What was counted of a link so far, in bytes. */
export interface Counted {
  readonly sent: number;
  readonly received: number;
}

interface Sample extends Counted {
  readonly at: number;
}

/** Less time than this says nothing of a rate, in ms. */
const minSpan = 200;

/** Keeps the last two samples of each link; `now` is in ms. */
export class RateMeter {
  #samples = new Map<number, readonly Sample[]>();

  /** To be called every second; links that are not among these are forgotten. */
  sample(links: ReadonlyMap<number, Counted>, now: number): void {
    this.#samples = new Map(
      [...links].map(([id, counted]) => {
        const last = this.#samples.get(id)?.at(-1);
        const current = { ...counted, at: now };
        return [id, last === undefined ? [current] : [last, current]];
      }),
    );
  }

  /** Bytes a second each way, since the sample before the last; 0 where there was none. */
  rates(id: number, { sent, received }: Counted, now: number): Counted {
    const [oldest] = this.#samples.get(id) ?? [];
    if (oldest === undefined || now - oldest.at < minSpan) return { sent: 0, received: 0 };
    const seconds = (now - oldest.at) / 1_000;
    return {
      sent: Math.round(Math.max(0, sent - oldest.sent) / seconds),
      received: Math.round(Math.max(0, received - oldest.received) / seconds),
    };
  }
}
