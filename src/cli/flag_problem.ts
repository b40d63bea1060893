/** What is wrong with one value of a flag, so that a config file's line can be told with it. */
import { BadInput } from "../bad_input.ts";

/** Which value it is. */
export interface FlagValue {
  /** The flag's name, without its dashes. */
  readonly flag: string;
  /** Among the flag's values, from 0. */
  readonly position: number;
}

/** A value that cannot be used, as it was found where it was used. */
export class FlagProblem extends BadInput {
  readonly place: FlagValue;

  constructor(message: string, place: FlagValue) {
    super(message);
    this.place = place;
  }
}

/** Reads the values of a flag. Throws {@link FlagProblem} where it cannot. */
export function readEach<Value, Result>(
  flag: string,
  values: readonly Value[],
  read: (value: Value) => Result,
): Result[] {
  return values.map((value, position) => {
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      throw new FlagProblem(error.message, { flag, position });
    }
  });
}
