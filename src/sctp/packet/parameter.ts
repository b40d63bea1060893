/**
 * Parameters of control chunks (RFC 9260, section 3.2.1); error causes have the same form.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |        Parameter Type         |       Parameter Length        |
 *     \                        Parameter Value                        \
 */
import { padded, readUint16, writeUint16 } from "../../network_order.ts";

/** Type and length, in bytes. */
export const parameterHeaderLength = 4;

/** An honest INIT has less than ten. */
const maxParameterCount = 64;

/** One parameter. */
export interface Parameter {
  readonly type: number;
  /** Borrowed from the packet when it was read. */
  readonly value: Uint8Array;
}

/**
 * Reads the parameters in `bytes[start..end)`; the padding of the last may be missing. Undefined
 * where one is malformed, or where there are more than 64.
 */
export function parseParameters(
  bytes: Uint8Array,
  start: number,
  end: number,
): Parameter[] | undefined {
  const parameters: Parameter[] = [];
  for (let at = start; at < end;) {
    const available = end - at;
    const length = available < parameterHeaderLength ? 0 : readUint16(bytes, at + 2);
    if (length < parameterHeaderLength || length > available) return undefined;
    if (parameters.length === maxParameterCount) return undefined;
    const value = bytes.subarray(at + parameterHeaderLength, at + length);
    parameters.push({ type: readUint16(bytes, at), value });
    at += padded(length);
  }
  return parameters;
}

/** A whole parameter, padded; its length field does not count the padding. */
export function writeParameter(type: number, value: Uint8Array): Uint8Array {
  const length = parameterHeaderLength + value.length;
  const parameter = new Uint8Array(padded(length));
  writeUint16(parameter, 0, type);
  writeUint16(parameter, 2, length);
  parameter.set(value, parameterHeaderLength);
  return parameter;
}
