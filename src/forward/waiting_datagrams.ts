/** Datagrams that wait for their way to be there: few, since they are soon of no use. */

const maxCount = 32;
const maxLength = 65_536;

/** Those of one flow. */
export class WaitingDatagrams {
  #datagrams: Uint8Array[] = [];
  #length = 0;

  /** Copies `bytes[start..end)`, or drops it where too much waits. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.#datagrams.length >= maxCount || this.#length + end - start > maxLength) return;
    this.#datagrams.push(bytes.slice(start, end));
    this.#length += end - start;
  }

  /** All, in order; none wait after this. */
  take(): readonly Uint8Array[] {
    const datagrams = this.#datagrams;
    this.#datagrams = [];
    this.#length = 0;
    return datagrams;
  }
}
