/** Nobody reads stdout any more: a command that was run for what it prints ends with 0, silently. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";

  constructor() {
    super("nobody reads stdout any more");
  }
}
