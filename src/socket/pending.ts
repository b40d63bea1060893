/** Waits on streams whose own close leaves what is pending as it is. */

/** Operations that are under way, and can be given up together. */
export class Pending {
  readonly #rejects = new Set<(reason: Error) => void>();
  #reason: Error | undefined;

  /** Whether all was given up. */
  get isBroken(): boolean {
    return this.#reason !== undefined;
  }

  /** Settles as the operation does, or rejects once all is given up. */
  run<Value>(operation: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#reason !== undefined) reject(this.#reason);
      this.#rejects.add(reject);
      operation.then(resolve, reject).finally(() => this.#rejects.delete(reject));
    });
  }

  /** Gives up what is under way and what is to come. */
  break(message: string): void {
    this.#reason ??= new Error(message);
    for (const reject of this.#rejects) reject(this.#reason);
    this.#rejects.clear();
  }
}
