/**
 * The closed set of errors that waferstream throws on purpose.
 *
 * Each names what, where, the value, the limit and what would help; the command line prints `message` as one line.
 * Not here: conditions that are results (a loss that is NaN is reported by the run as `NonFiniteLoss` below).
 */

export interface ErrorDetails {
  /** What is wrong, as the subject of a sentence: "activations of layer 3". */
  readonly what: string;
  /** Where it stands: a file, a field, a layer. */
  readonly where?: string;
  readonly value?: unknown;
  readonly limit?: unknown;
  /** What would help, as an imperative: "halve microBatchSize". */
  readonly hint?: string;
}

const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : typeof value === 'object' ? JSON.stringify(value) : String(value));

const sentence = (d: ErrorDetails): string =>
  [
    d.where === undefined ? d.what : `${d.where}: ${d.what}`,
    d.value === undefined ? '' : ` (got ${show(d.value)}${d.limit === undefined ? '' : `, limit ${show(d.limit)}`})`,
    d.value === undefined && d.limit !== undefined ? ` (limit ${show(d.limit)})` : '',
    d.hint === undefined ? '' : `; ${d.hint}`,
  ].join('');

/** The base of every error below: `kind` is its name, `details` its parts as data. */
export abstract class WaferstreamError extends Error {
  readonly details: ErrorDetails;
  constructor(details: ErrorDetails, options?: ErrorOptions) {
    super(sentence(details), options);
    this.details = details;
    this.name = new.target.name;
  }
}

/** A model whose graph or shapes make no sense. */
export class InvalidModel extends WaferstreamError {}
/** A setting outside its range, or one that contradicts another. */
export class InvalidConfig extends WaferstreamError {}
/** Something the emulator knows of but does not emulate; see docs/not-emulated.md. */
export class NotEmulated extends WaferstreamError {}
/** A file that is missing, truncated or lies about itself. */
export class CorruptFile extends WaferstreamError {}
/** A disk or folder that refused an operation: full, read-only, not permitted, broken. `value` among the details is the host's code. */
export class StorageFailed extends WaferstreamError {
  /** The host's code: ENOSPC, EROFS, EIO, … */
  get code(): string {
    return String(this.details.value);
  }
}
/** An actor or its thread ended while it was needed. */
export class ActorFailed extends WaferstreamError {}
/** A broken promise of the emulator itself: please report it with the seed. */
export class EmulatorBug extends WaferstreamError {}
/** Training produced a loss that is not a finite number. */
export class NonFiniteLoss extends WaferstreamError {}

/** A need that exceeds a capacity, with both in bytes. */
export class DoesNotFit extends WaferstreamError {
  readonly needBytes: number;
  readonly haveBytes: number;
  constructor(details: Omit<ErrorDetails, 'value' | 'limit'> & { readonly needBytes: number; readonly haveBytes: number }, options?: ErrorOptions) {
    super({ ...details, what: `${details.what} needs ${details.needBytes} bytes and ${details.haveBytes} are there` }, options);
    this.needBytes = details.needBytes;
    this.haveBytes = details.haveBytes;
  }
}

/** Narrows `condition` or throws EmulatorBug: for promises that only a bug can break. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new EmulatorBug({ what, hint: 'this is a bug in waferstream: please report it with the seed and the command' });
}
