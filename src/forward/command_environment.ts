/** What of this node's environment a command is given. */

/** What the service manager tells the node alone: systemd.exec(5), sd_notify(3), sd_listen_fds(3). */
const serviceVariables = [
  "CREDENTIALS_DIRECTORY",
  "LISTEN_FDNAMES",
  "LISTEN_FDS",
  "LISTEN_PID",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
];

/** Whose environment it is, and what of it is not a command's affair. */
export interface CommandEnvironmentOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** Who runs the command, as far as that is proven. */
  readonly peer: string;
  /** Variables that hold a secret of the node. */
  readonly secretVariables: readonly string[];
}

/** All but the node's settings, its secrets and its ties to the service manager; and the peer's name. */
export function commandEnvironment(
  { environment, peer, secretVariables }: CommandEnvironmentOptions,
): Record<string, string> {
  // Windows knows no case in the names of variables.
  const withheld = new Set([...serviceVariables, ...secretVariables].map(upperCase));
  const given = Object.entries(environment).filter(([name]) =>
    !withheld.has(upperCase(name)) && !upperCase(name).startsWith("AETHERPORT_")
  );
  return { ...Object.fromEntries(given), AETHERPORT_PEER: peer };
}

function upperCase(name: string): string {
  return name.toUpperCase();
}
