/** What one key of a config file may hold. It says what the flag of the same name says. */
export interface ConfigKey {
  /** The flag's, without its dashes. */
  readonly name: string;
  /** true or false; one text; a list of texts, for a flag that may be repeated. */
  readonly holds: "switch" | "text" | "list";
  /** The only texts there are, where they are few. */
  readonly choices?: readonly string[];
  /** Whether numbers may stand without quotes. */
  readonly takesNumbers: boolean;
  /** Whether it may stand in a peer's table, too. */
  readonly isPerPeer: boolean;
  /** Has what is a relative path in a value begin at a folder; absent where there are no paths. */
  readonly resolve?: (value: string, folder: string) => string;
}
