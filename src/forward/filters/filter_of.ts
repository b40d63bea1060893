/** Which filter holds a stream to what its rule says of it: one line for each protocol. */
import type { ContentRule } from "../../access/content_rule.ts";
import type { Filter } from "./filter.ts";
import { httpFilter } from "./http/http_filter.ts";
import { sshFilter } from "./ssh_filter.ts";
import { tlsFilter } from "./tls_filter.ts";

/** The filter of a rule. */
export function filterOf(content: ContentRule): Filter {
  switch (content.protocol) {
    case "http":
      return httpFilter(content.http);
    case "tls":
      return tlsFilter(content.tls);
    case "ssh":
      return sshFilter;
  }
}
