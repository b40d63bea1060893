/** What Linux tells of processes, and the end of all that a benchmark has started. */
import { beforeDeadline } from "../tests/peers/deadline.ts";

/** USER_HZ, the unit of times in /proc: 100 wherever Deno runs. */
const ticksPerSecond = 100;

/** What is to be undone by hand where a signal ends the benchmark; it must not wait. */
const leftovers = new Set<() => void>();

/** CPU seconds that processes have used so far, of all their threads. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    // The second field, in parentheses, may hold spaces.
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }, 0);
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}

/** A process and all that it has started. */
export function withDescendants(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...children.get(parent) ?? [], Number(name)]);
  }
  const found = [pid];
  for (const one of found) found.push(...children.get(one) ?? []);
  return found;
}

function parentOf(name: string): number | undefined {
  if (!/^\d+$/.test(name)) return undefined;
  try {
    return Number(Deno.readTextFileSync(`/proc/${name}/stat`).split(") ").at(-1)?.split(" ")[1]);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Has something undone where a signal ends the benchmark; what is returned takes that back. */
export function undoOnSignal(undo: () => void): () => void {
  leftovers.add(undo);
  return () => leftovers.delete(undo);
}

/** Makes SIGINT and SIGTERM end everything that was started, and then this process. */
export function endOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      for (const pid of withDescendants(Deno.pid).slice(1)) kill(pid);
      for (const undo of leftovers) undo();
      Deno.exit(130);
    });
  }
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Rejects where something takes longer than it may, in ms. */
export function within<Value>(
  limit: number,
  what: string,
  value: Promise<Value>,
): Promise<Value> {
  return beforeDeadline(value, () => `${what} took more than ${limit / 1000} s`, limit);
}
