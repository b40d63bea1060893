/** What a row of the comparison with ssh is, and what came out of it. */

/** Who carries the traffic. */
export type Contender = "ssh" | "aetherport";

/** What is asked of a row: one figure to be reached, and a better one to aim at. */
export interface Goal {
  /** "ratio": aetherport's figure over ssh's; "figure": aetherport's own. */
  readonly of: "ratio" | "figure";
  readonly better: "higher" | "lower";
  readonly must?: number;
  readonly aim?: number;
}

/** How a row is measured. */
export interface RowOptions {
  readonly roundCount: number;
}

/** The figures of each round, in the row's unit. */
export interface Figures {
  /** None where ssh is not asked. */
  readonly ssh: readonly number[];
  readonly aetherport: readonly number[];
  /** What else is to be known; whatever was wrong with bytes is an error instead. */
  readonly notes?: readonly string[];
}

/** One row. */
export interface TableRow {
  /** What it is chosen by. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly goal: Goal;
  readonly measure: (options: RowOptions) => Promise<Figures>;
}

/** A row that was measured, or why it was not. */
export interface MeasuredRow {
  readonly row: TableRow;
  readonly outcome: Figures | { readonly error: string };
}

/** Aetherport's figures over ssh's, each of the same round. */
export function ratiosOf({ ssh, aetherport }: Figures): readonly number[] {
  return ssh.map((one, at) => (aetherport[at] ?? NaN) / one);
}
