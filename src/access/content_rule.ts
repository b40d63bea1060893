/** What a rule says of the bytes of a stream that it allows: data, for those who look into streams. */

/** `[rule.http]`: all that is named has to hold. */
export interface HttpRule {
  readonly methods?: readonly string[];
  /** `*` stands for anything within a label. Of a request's host, its port and a last dot do not count. */
  readonly hosts?: readonly string[];
  /** `*` stands for anything but a slash, `**` for anything. */
  readonly paths?: readonly string[];
  /** Fields that have to be there, each with one of these values; `*` stands for anything. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  /** In bytes. */
  readonly maxBodyLength?: number;
  /** Fields that are set in what is handed on, and those that are left out. */
  readonly setHeaders?: Readonly<Record<string, string>>;
  readonly removeHeaders?: readonly string[];
}

/** `[rule.tls]`: all that is named has to hold. */
export interface TlsRule {
  /** Server names; `*` stands for anything within a label. */
  readonly sni?: readonly string[];
  /** Protocols of which the client has to offer no other. */
  readonly alpn?: readonly string[];
}

/** What a stream has to be, and what in it is allowed. */
export type ContentRule =
  | { readonly protocol: "http"; readonly http: HttpRule }
  | { readonly protocol: "tls"; readonly tls: TlsRule }
  | { readonly protocol: "ssh" };
