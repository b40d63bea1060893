/** One allocation (RFC 8656, sections 6 to 8): made, refreshed, and given back. */
import type { Instant } from "../../sans_io.ts";
import { addressDefect } from "../address_policy.ts";
import type { AddressFamily, TransportAddress } from "../stun/address.ts";
import type { StunAttributes } from "../stun/attributes.ts";
import { methods } from "../stun/message_header.ts";
import { retryDelays, type TurnContext } from "./turn_context.ts";
import { explain, isTransient, turnErrorCodes, type TurnFailure } from "./turn_failure.ts";

/** The number of an IP protocol (section 7.1). */
const udp = 17;
/** Section 3.2. */
const defaultLifetimeSeconds = 600;
/** Longer ones are not believed: the timers would overflow. */
const maxLifetimeSeconds = 3_600;
/** How long the server's answer is waited for when all is over, in ms. */
const releasePatience = 1_000;

type AllocationState =
  | { readonly name: "allocating" }
  | {
    readonly name: "allocated";
    /** When it is to be refreshed; infinite while it is. */
    refreshAt: Instant;
    expiresAt: Instant;
  }
  | { readonly name: "releasing"; readonly until: Instant }
  | { readonly name: "ended" };

/** An allocation from its request to its end. */
export class Allocation {
  readonly #context: TurnContext;
  #state: AllocationState = { name: "allocating" };

  constructor(context: TurnContext) {
    this.#context = context;
  }

  get isAllocated(): boolean {
    return this.#state.name === "allocated";
  }

  /** Whether nothing is to be expected of it any more. */
  get hasEnded(): boolean {
    return this.#state.name === "ended";
  }

  /** Whether it is over, or about to be. */
  get isOver(): boolean {
    return this.#state.name === "ended" || this.#state.name === "releasing";
  }

  /** Asks for one. Without a family the server gives an IPv4 address, or else one of IPv6. */
  start(family: AddressFamily | undefined, now: Instant): void {
    this.#context.requests.send({
      method: methods.allocate,
      attributes: {
        requestedTransport: udp,
        ...(family === undefined ? {} : { requestedAddressFamily: family }),
      },
      handleSuccess: (attributes, answeredAt) => this.#handleAllocated(attributes, answeredAt),
      handleFailure: (failure, failedAt) => this.#handleRefused(failure, family, failedAt),
    }, now);
  }

  /** Gives it back, as far as there is one. */
  release(now: Instant): void {
    if (this.isOver) return;
    const { requests } = this.#context;
    const canBeThere = this.isAllocated || requests.isSigned;
    requests.clear();
    if (!canBeThere) return this.end();
    this.#state = { name: "releasing", until: now + releasePatience };
    // Section 8.1: a lifetime of 0 deletes it.
    requests.send({
      method: methods.refresh,
      attributes: { lifetimeSeconds: 0 },
      handleSuccess: () => this.end(),
      handleFailure: () => this.end(),
    }, now);
  }

  /** Refreshes it as soon as can be: whether the server still has it shows in the answer. */
  doubt(now: Instant): void {
    if (this.#state.name === "allocated" && this.#state.refreshAt < Infinity) {
      this.#state.refreshAt = now;
    }
  }

  /** Nothing is asked for any more. */
  end(): void {
    this.#context.requests.clear();
    this.#state = { name: "ended" };
  }

  handleTimeout(now: Instant): void {
    const state = this.#state;
    switch (state.name) {
      case "allocated":
        if (now >= state.expiresAt) return this.#fail("timeout");
        if (now >= state.refreshAt && !this.#context.requests.isFull) this.#refresh(now);
        return;
      case "releasing":
        if (now >= state.until) this.end();
        return;
      case "allocating":
      case "ended":
        return;
      default:
        return state satisfies never;
    }
  }

  nextTimeout(): Instant {
    const state = this.#state;
    if (state.name === "releasing") return state.until;
    if (state.name !== "allocated") return Infinity;
    const { isFull } = this.#context.requests;
    return Math.min(state.expiresAt, isFull ? Infinity : state.refreshAt);
  }

  /** Section 7.3. */
  #handleAllocated(
    { xorRelayedAddress: relayed, xorMappedAddress: mapped, ...attributes }: StunAttributes,
    now: Instant,
  ): void {
    if (!isUsable(relayed) || !isUsable(mapped)) return this.#fail("malformed");
    const lifetimeSeconds = this.#setLifetime(attributes, now);
    if (lifetimeSeconds === undefined) return;
    this.#context.emit({ type: "allocated", relayed, mapped, lifetimeSeconds });
  }

  /** Section 7.4. */
  #handleRefused(failure: TurnFailure, family: AddressFamily | undefined, now: Instant): void {
    const { code, alternateServer } = failure;
    if (code === turnErrorCodes.addressFamilyNotSupported && family === undefined) {
      return this.start("ipv6", now);
    }
    if (code === turnErrorCodes.tryAlternate && isUsable(alternateServer)) {
      this.end();
      return this.#context.emit({ type: "alternate", server: alternateServer });
    }
    this.#context.fail(failure);
  }

  /** Row T1: no later than at half its lifetime. */
  #setLifetime(
    { lifetimeSeconds = defaultLifetimeSeconds }: StunAttributes,
    now: Instant,
  ): number | undefined {
    if (lifetimeSeconds === 0) {
      this.#fail("malformed");
      return undefined;
    }
    const seconds = Math.min(lifetimeSeconds, maxLifetimeSeconds);
    this.#state = {
      name: "allocated",
      refreshAt: now + seconds * 500,
      expiresAt: now + seconds * 1_000,
    };
    return seconds;
  }

  #refresh(now: Instant): void {
    if (this.#state.name !== "allocated") return;
    this.#state.refreshAt = Infinity;
    this.#context.requests.send({
      method: methods.refresh,
      attributes: {},
      handleSuccess: (attributes, answeredAt) => void this.#setLifetime(attributes, answeredAt),
      handleFailure: (failure, failedAt) => this.#handleNotRefreshed(failure, failedAt),
    }, now);
  }

  /** Section 8.3: what the server still has is not given up for one request without an answer. */
  #handleNotRefreshed(failure: TurnFailure, now: Instant): void {
    if (!isTransient(failure.code)) return this.#context.fail(failure);
    if (this.#state.name === "allocated") this.#state.refreshAt = now + retryDelays.transient;
  }

  #fail(code: "timeout" | "malformed"): void {
    this.#context.fail({ code, reason: explain(code, methods.allocate) });
  }
}

function isUsable(address: TransportAddress | undefined): address is TransportAddress {
  const policy = { isLinkLocalAllowed: true, isLoopbackAllowed: true };
  return address !== undefined && addressDefect(address, policy) === undefined;
}
