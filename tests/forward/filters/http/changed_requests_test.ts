import { sendChangedRequests } from "./changed_requests.ts";

Deno.test("of 2,000 changed requests the target is told what was judged, and nothing else", () =>
  sendChangedRequests(1, 2_000));
