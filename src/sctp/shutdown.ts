/** How an association ends in order: RFC 9260, section 9.2. */
import type { Instant } from "../sans_io.ts";
import type { Context } from "./context.ts";
import { writeShutdown, writeShutdownAck, writeShutdownComplete } from "./packet/shutdown_chunk.ts";

const reason = "the association was shut down";

/** Nothing new is sent; what is under way is seen through. */
export function shutdown(context: Context, now: Instant): void {
  if (context.state === "established") {
    context.state = "shutdown-pending";
    advanceShutdown(context, now);
  } else if (context.isOpen) {
    context.end("shutdown", reason, now);
  }
}

/** Takes the next step once all data is acknowledged. */
export function advanceShutdown(context: Context, now: Instant): void {
  const { peer, transmitter } = context;
  if (peer === undefined || !transmitter.isDone) return;
  if (context.state === "shutdown-pending") {
    context.state = "shutdown-sent";
    const chunk = () => writeShutdown(peer.receiver.cumulativeTsn);
    context.startRequest({ chunk, name: "SHUTDOWN" }, now);
  } else if (context.state === "shutdown-received") {
    sendShutdownAck(context, now);
  }
}

/** The peer sends nothing new. */
export function handleShutdown(context: Context, now: Instant): void {
  switch (context.state) {
    case "established":
    case "shutdown-pending":
      context.state = "shutdown-received";
      return advanceShutdown(context, now);
    case "shutdown-sent":
      // "If an endpoint is in the SHUTDOWN-SENT state and receives a SHUTDOWN chunk from its peer,
      // the endpoint SHOULD respond immediately with a SHUTDOWN ACK chunk".
      return sendShutdownAck(context, now);
    case "shutdown-ack-sent":
      return context.request?.repeat();
    default:
      // "Upon reception of the SHUTDOWN" before it is up, or again: nothing is to be done.
      return;
  }
}

/** The peer has nothing left to send either. */
export function handleShutdownAck(context: Context, now: Instant): void {
  switch (context.state) {
    case "shutdown-sent":
    case "shutdown-ack-sent":
      if (context.peer !== undefined) {
        context.outbox.reply(context.peer.tag, writeShutdownComplete(false));
      }
      return context.end("shutdown", reason, now);
    case "cookie-wait":
    case "cookie-echoed":
      // Section 8.5.1, E: it is of an association before this one; the tag is reflected.
      return context.outbox.reply(context.localTag, writeShutdownComplete(true));
    default:
      return;
  }
}

/** Section 9.2: "the endpoint MUST verify that it is in the SHUTDOWN-ACK-SENT state". */
export function handleShutdownComplete(context: Context, now: Instant): void {
  if (context.state === "shutdown-ack-sent") context.end("shutdown", reason, now);
}

function sendShutdownAck(context: Context, now: Instant): void {
  context.state = "shutdown-ack-sent";
  context.heartbeat.stop();
  context.pathMtu.stop();
  context.startRequest({ chunk: () => writeShutdownAck(), name: "SHUTDOWN ACK" }, now);
}
