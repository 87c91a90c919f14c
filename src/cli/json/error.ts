/** The JSON of a command that failed: the last line of stdout, and its only one where a document was to come. Not here: exit codes and the line for people (../exit.ts). */
import * as v from 'valibot';
import { DoesNotFit, WaferstreamError } from '../../index.js';
import { about, count, document, text, type JsonOf } from './kinds.js';
import type { BodyOf } from './say.js';

const schema = document('error', 1, {
  type: v.literal('error'),
  kind: about(text, 'InvalidModel, InvalidConfig, NotEmulated, CorruptFile, StorageFailed, DoesNotFit, ActorFailed, NonFiniteLoss or EmulatorBug; Stopped where a signal ended the command; another name for what was not foreseen'),
  message: about(text, 'all of it as one line, as it stands on stderr'),
  what: about(text, 'what is wrong'), where: about(v.nullable(text), 'a file, a field, a layer'), value: about(v.unknown(), 'what was found; null where that says nothing'), limit: about(v.unknown(), 'what would have been allowed'),
  hint: about(v.nullable(text), 'what would help'),
  exitCode: about(count, '1 failed, 78 a setting that cannot be, 130 interrupted, 143 terminated'),
});
export const errorJson = { command: 'error', version: 1, form: 'document', schema } as const satisfies JsonOf<typeof schema>;

/** As JSON can say it. */
const plain = (value: unknown): unknown => {
  if (value === undefined) return null;
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  try {
    return (JSON.parse(JSON.stringify(value) ?? 'null') as unknown) ?? String(value);
  } catch {
    return String(value);
  }
};

/** An error as data. `message`: its line. */
export const errorBody = (error: unknown, message: string, exitCode: number): BodyOf<typeof schema> => {
  const kind = error instanceof WaferstreamError ? error.name : error instanceof Error ? error.constructor.name : 'Error';
  if (!(error instanceof WaferstreamError)) return { type: 'error', kind, message, what: message, where: null, value: null, limit: null, hint: null, exitCode };
  const { what, where = null, value, limit, hint = null } = error.details;
  const sizes = error instanceof DoesNotFit ? { value: error.needBytes, limit: error.haveBytes } : { value: plain(value), limit: plain(limit) };
  return { type: 'error', kind, message, what, where, ...sizes, hint, exitCode };
};
