/** Every answer with a body: JSON, which nobody keeps and no browser takes for a page. */
const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** An answer with a JSON body. */
export function jsonResponse(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: HEADERS });
}

/** An answer without a body (204). */
export function emptyResponse(): Response {
  return new Response(null, { status: 204, headers: HEADERS });
}
