import { sendChangedRequests } from "./changed_requests.ts";

Deno.test("of 200,000 changed requests the target is told what was judged, and nothing else", () =>
  sendChangedRequests(2, 200_000));
