/**
 * Permissions (RFC 8656, sections 9 and 10): the server passes on what comes from an address, of any
 * port, and sends there, for five minutes. What is used is kept.
 */
import type { Instant } from "../../sans_io.ts";
import type { TransportAddress } from "../stun/address.ts";
import { methods } from "../stun/message_header.ts";
import { idleTimeout, maxPeerCount, retryDelays, type TurnContext } from "./turn_context.ts";
import { isFatal, isTransient, turnErrorCodes, type TurnFailure } from "./turn_failure.ts";

/** Section 9: "The lifetime of a permission MUST be 300 seconds (= 5 minutes)"; in ms. */
const lifetime = 300_000;
/** A transaction may take 39.5 s. */
const refreshMargin = 60_000;

interface Permission {
  /** One of the peers there. Section 10.1: its port is ignored. */
  readonly peer: TransportAddress;
  state: "wanted" | "installed" | "refused";
  /** When it is asked for, or refreshed; infinite while it is. */
  dueAt: Instant;
  /** No later than at the server. */
  expiresAt: Instant;
  usedAt: Instant;
}

/** All permissions of one allocation. */
export class Permissions {
  readonly #context: TurnContext;
  readonly #byAddress = new Map<string, Permission>();

  constructor(context: TurnContext) {
    this.#context = context;
  }

  /** Wants it; what is had already is kept for as long as this is called. */
  permit(peer: TransportAddress, now: Instant): void {
    const known = this.#byAddress.get(peer.address);
    if (known !== undefined) {
      known.usedAt = now;
      return;
    }
    if (this.#byAddress.size >= maxPeerCount) this.#forgetOne(); // CHECK T1
    this.#byAddress.set(peer.address, {
      peer,
      state: "wanted",
      dueAt: now,
      expiresAt: Infinity,
      usedAt: now,
    });
  }

  /** Whether it is wanted, and not refused: the server may know of it before we hear so. */
  isPermitted(address: string): boolean {
    const state = this.#byAddress.get(address)?.state;
    return state === "wanted" || state === "installed";
  }

  /** Something came from there. */
  handleData(address: string, now: Instant): void {
    const permission = this.#byAddress.get(address);
    if (permission !== undefined) permission.usedAt = now;
  }

  /** Section 12.2: binding a channel installs or refreshes a permission, too. */
  handleInstalled(address: string, requestedAt: Instant): void {
    const permission = this.#byAddress.get(address);
    if (permission === undefined) return;
    permission.state = "installed";
    permission.expiresAt = requestedAt + lifetime;
    permission.dueAt = permission.expiresAt - refreshMargin;
  }

  /** Asks for what is due, as far as requests may be under way. */
  handleTimeout(now: Instant): void {
    for (const [address, permission] of this.#byAddress) {
      if (now >= permission.expiresAt) {
        this.#byAddress.delete(address);
        continue;
      }
      if (now < permission.dueAt) continue;
      if (now - permission.usedAt >= idleTimeout) this.#letLapse(permission);
      else if (!this.#context.requests.isFull) this.#request(permission, now);
    }
  }

  nextTimeout(): Instant {
    const { isFull } = this.#context.requests;
    let next = Infinity;
    for (const { dueAt, expiresAt } of this.#byAddress.values()) {
      // What waits for a free place is looked at again when there is one.
      next = Math.min(next, expiresAt, isFull ? Infinity : dueAt);
    }
    return next;
  }

  #letLapse(permission: Permission): void {
    permission.dueAt = Infinity;
    // There is nothing to wait for where it was never installed.
    if (permission.state !== "installed") permission.expiresAt = permission.usedAt;
  }

  #request(permission: Permission, now: Instant): void {
    permission.dueAt = Infinity;
    const { peer } = permission;
    this.#context.requests.send({
      method: methods.createPermission,
      attributes: { xorPeerAddresses: [peer] },
      handleSuccess: () => this.handleInstalled(peer.address, now),
      handleFailure: (failure, failedAt) => this.#handleFailure(permission, failure, failedAt),
    }, now);
  }

  #handleFailure(permission: Permission, failure: TurnFailure, now: Instant): void {
    const { code, reason } = failure;
    if (isFatal(code)) return this.#context.fail(failure);
    if (isTransient(code)) {
      permission.dueAt = now + retryDelays.transient;
      return;
    }
    // coturn says so, and not 437, where it has closed the allocation.
    if (code === turnErrorCodes.badRequest) this.#context.doubt(now);
    const isNews = permission.state !== "refused";
    permission.state = "refused";
    permission.expiresAt = Infinity;
    permission.dueAt = now + retryDelays.refused;
    const { address } = permission.peer;
    if (isNews) this.#context.emit({ type: "refused", address, reason });
  }

  /** The one that has not been used for the longest time. */
  #forgetOne(): void {
    let idlest: Permission | undefined;
    for (const permission of this.#byAddress.values()) {
      if (permission.usedAt < (idlest?.usedAt ?? Infinity)) idlest = permission;
    }
    if (idlest !== undefined) this.#byAddress.delete(idlest.peer.address);
  }
}
