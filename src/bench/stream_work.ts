/** What both sides of a measurement do with a stream. */
import { StreamBroken, type StreamPort } from "../forward/stream_port.ts";

/** What payload is handed to; more comes when it is done. */
export type Taker = (bytes: Uint8Array) => unknown;

/** Sends all of the bytes, in messages as long as they may be at each moment. */
export async function sendAll(port: StreamPort, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    await port.untilSendable();
    const end = Math.min(start + port.stream.sendableLength, bytes.length);
    port.stream.send(bytes, start, end);
    start = end;
  }
}

/** Hands all payload on as it comes, until its end. */
export async function readAll(port: StreamPort, take: Taker): Promise<void> {
  while (await readSome(port, take));
}

/** Waits for payload and hands on what is there; false at its end. */
export async function readSome(port: StreamPort, take: Taker): Promise<boolean> {
  if (!await port.hasPayload()) return false;
  await port.writeTo({ write: async (bytes) => void await take(bytes) });
  return true;
}

/** Waits for the other side's end. Throws where payload comes instead. */
export async function untilEnd(port: StreamPort): Promise<void> {
  if (await port.hasPayload()) throw new Error("payload came where none is expected");
}

/** Why it failed: of a stream that was broken off, what the other side said. */
export async function causeOf(error: unknown, port: StreamPort): Promise<unknown> {
  if (!(error instanceof StreamBroken)) return error;
  const closed = await port.closed;
  const { label } = port.stream;
  return new Error(
    `the ${label} stream was broken off${"reason" in closed ? `: ${closed.reason}` : ""}`,
  );
}
