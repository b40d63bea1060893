/**
 * What the user gave (a flag, an environment variable, a file, a pasted text) is wrong. The command
 * line prints the message as one line on stderr and ends with exit code 2; every other error ends
 * with 1. The message says what was being read, quotes the value and tells what to write instead.
 */
export class BadInput extends Error {
  override readonly name = "BadInput";
}
