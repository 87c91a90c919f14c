/**
 * Failures as data: how an error that a behavior threw reaches the main side.
 *
 *   thrown value ─toBytes─▶ UTF-8 of plain data ─records of type FAILED_PART, then FAILED─▶ fromBytes ─▶ WaferstreamError
 *
 * A subclass of WaferstreamError comes back as itself; anything else (a WebAssembly trap, a TypeError) comes back as ActorFailed
 * with the original name, message and stack as its cause. Not here: who is told (desk.ts).
 */
import {
  ActorFailed, CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig, InvalidModel, NonFiniteLoss, NotEmulated, StorageFailed,
  WaferstreamError, type ErrorDetails,
} from '../util/errors.js';
import { FIELD_WORDS } from './protocol-codec.js';

/** Record types of the runtime; types of a protocol are never negative. */
export const FAILED = -1;
export const FAILED_PART = -2;
/** Bytes of text in one FAILED_PART record: its first field word holds the number of bytes, the rest the bytes. */
export const PART_BYTES = (FIELD_WORDS - 1) * 4;
const textBytesMax = 8192;

interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly details?: ErrorDetails;
  readonly needBytes?: number;
  readonly haveBytes?: number;
}

const classes: Readonly<Record<string, new (details: ErrorDetails, options?: ErrorOptions) => WaferstreamError>> = {
  ActorFailed, CorruptFile, EmulatorBug, InvalidConfig, InvalidModel, NonFiniteLoss, NotEmulated, StorageFailed,
};

const plain = (value: unknown): unknown => {
  try {
    return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
  } catch {
    return String(value);
  }
};

const dataOf = (error: unknown): ErrorData => {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const base = { name: error.name, message: error.message.slice(0, 2000), ...(error.stack === undefined ? {} : { stack: error.stack.slice(0, 2000) }) };
  if (!(error instanceof WaferstreamError)) return base;
  const { value, limit, ...rest } = error.details;
  const details = { ...rest, ...(value === undefined ? {} : { value: plain(value) }), ...(limit === undefined ? {} : { limit: plain(limit) }) };
  const sizes = error instanceof DoesNotFit ? { needBytes: error.needBytes, haveBytes: error.haveBytes } : {};
  return { ...base, details, ...sizes };
};

export const failureToBytes = (error: unknown): Uint8Array => {
  const data = dataOf(error);
  const bytes = new TextEncoder().encode(JSON.stringify(data));
  if (bytes.length <= textBytesMax) return bytes;
  return new TextEncoder().encode(JSON.stringify({ name: data.name, message: data.message.slice(0, 1000) }));
};

/** The error that the bytes tell of; `actor` and `thread` say where it was thrown. */
export const failureFromBytes = (bytes: Uint8Array, actor: string, thread: number): WaferstreamError => {
  const data = JSON.parse(new TextDecoder().decode(bytes)) as ErrorData;
  const cause = new Error(data.message);
  cause.name = data.name;
  if (data.stack !== undefined) cause.stack = data.stack;
  if (data.details !== undefined && data.needBytes !== undefined && data.haveBytes !== undefined) {
    const tail = ` needs ${data.needBytes} bytes and ${data.haveBytes} are there`;
    const { what, where, hint } = data.details;
    return new DoesNotFit({
      what: what.endsWith(tail) ? what.slice(0, -tail.length) : what,
      needBytes: data.needBytes,
      haveBytes: data.haveBytes,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const known = classes[data.name];
  if (known !== undefined && data.details !== undefined) return new known(data.details, { cause });
  return new ActorFailed({ what: `actor '${actor}' threw ${data.name}: ${data.message}`, where: `thread ${thread}` }, { cause });
};
