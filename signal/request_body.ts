/** A request's body, bounded in length and in time: the sender is not believed in either. */
import { Refusal } from "./refusal.ts";

/** Bounds of a body. */
export interface BodyBounds {
  /** In bytes. */
  readonly maxLength: number;
  readonly milliseconds: number;
}

/** Reads a body as UTF-8. Throws {@link Refusal} where it is too long, too slow or not text. */
export async function readBody(request: Request, bounds: BodyBounds): Promise<string> {
  const { maxLength, milliseconds } = bounds;
  if (Number(request.headers.get("content-length") ?? 0) > maxLength) throw tooLarge(maxLength);
  if (request.body === null) return "";
  const reader = request.body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    cancel(reader);
  }, milliseconds);
  try {
    return await readText(reader, maxLength, () => isLate);
  } catch (error) {
    cancel(reader);
    if (error instanceof Refusal) throw error;
    throw new Refusal("bad_request", "the body is not complete, or not UTF-8");
  } finally {
    clearTimeout(timer);
  }
}

async function readText(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxLength: number,
  isLate: () => boolean,
): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let length = 0;;) {
    const { done, value } = await reader.read();
    // A read that was cancelled ends as if the body did.
    if (isLate()) throw new Refusal("time_out", "the body took too long");
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > maxLength) throw tooLarge(maxLength);
    text += decoder.decode(value, { stream: true });
  }
}

function cancel(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  reader.cancel().catch(() => {
    // The connection is gone already.
  });
}

function tooLarge(maxLength: number): Refusal {
  return new Refusal("too_large", `a body has ${maxLength} bytes at most`);
}
