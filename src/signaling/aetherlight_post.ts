/** Posting one sealed message: once as far as the mailbox is concerned, however often it is tried. */
import { pause } from "./aetherlight_backoff.ts";
import { AetherlightError, ignoreBody, isTransient, request } from "./aetherlight_request.ts";
import type { ClientTiming } from "./aetherlight_timing.ts";
import { isSealedText, MAX_TEXT_LENGTH, randomId } from "./wire.ts";

/** One message to be posted. */
export interface PostOptions {
  /** Of the mailbox, without the message's id. */
  readonly url: string;
  readonly text: string;
  /** Asked for at each try: a registration may have been renewed in between. */
  readonly token?: () => Promise<string>;
  readonly timing: ClientTiming;
  readonly signal: AbortSignal;
}

/**
 * Posts a message. What may pass is tried again for a while, as late as the server wishes. Throws
 * {@link AetherlightError}, or the signal's reason.
 */
export async function postMessage(options: PostOptions): Promise<void> {
  const { text, timing, signal } = options;
  if (!isSealedText(text)) {
    throw new Error(`a sealed message has 1 to ${MAX_TEXT_LENGTH} printable ASCII characters`);
  }
  const messageId = randomId();
  const startedAt = performance.now();
  for (let attempt = 0;; attempt++) {
    try {
      return await put(options, messageId);
    } catch (error) {
      if (!mayPass(error, options)) throw error;
      const delay = Math.max(timing.backoff(attempt), error.retryAfterMilliseconds ?? 0);
      if (performance.now() - startedAt + delay > timing.postMilliseconds) throw error;
      await pause(delay, signal);
    }
  }
}

async function put({ url, text, token, timing, signal }: PostOptions, id: string): Promise<void> {
  await request({
    method: "PUT",
    url: `${url}/${id}`,
    body: JSON.stringify({ text }),
    token: await token?.(),
    signal,
    milliseconds: timing.requestMilliseconds,
  }, ignoreBody);
}

/** A token that is no longer good will be followed by another, once the loss is noticed. */
function mayPass(error: unknown, { token }: PostOptions): error is AetherlightError {
  if (isTransient(error)) return true;
  return token !== undefined && error instanceof AetherlightError && error.code === "unauthorized";
}
