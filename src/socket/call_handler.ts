/**
 * Calls a handler. What it throws is no business of other sockets: it is reported as not caught.
 */
export function callHandler(handle: () => void): void {
  try {
    handle();
  } catch (error) {
    reportError(error);
  }
}
