/** A command failed at run time and has said so in its log: the program ends with 1, silently. */
export class LoggedFailure extends Error {
  override readonly name = "LoggedFailure";
}
