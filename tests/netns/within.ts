/** An end to waiting. */

/** Something went wrong, rather than slowly, where it has not come to pass in so many ms. */
const patience = 40_000;

/** What is waited for; throws where it takes far too long, with what `tell` says of it. */
export async function within<Value>(
  what: string,
  awaited: Promise<Value>,
  tell: () => string = () => "",
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: not in time. ${tell()}`)),
    patience,
  );
  try {
    return await Promise.race([awaited, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
