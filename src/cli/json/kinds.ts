/**
 * Pieces that schemas of `--json` are made of: the envelope, documents and lines, and the kinds of values, each field with a word on what it is.
 *
 * Schemas are exact here, so that tests find a field that nobody described; as published (docs/schema/) they let more fields be. A number that JSON lacks (NaN, infinities) stands as null, and fields where that
 * can be say so. Not here: the commands' own (beside this file), printing (say.ts).
 */
import * as v from 'valibot';
import { schemaName } from '../../report/json.js';

/** A field and what it is. */
export const about = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(schema, v.description(text));

export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const real = v.number();
/** May be no finite number. */
export const loose = v.nullable(v.number());
export const text = v.string();
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const listOf = <S extends v.GenericSchema>(item: S) => v.array(item);
export const shape = about(v.array(count), 'sizes, the outermost first');

/** A weight with a mask. */
export const sparseWeight = {
  name: about(text, 'of the weight'), size: about(count, 'positions'), stored: about(count, 'positions that its mask stores'), sparsity: about(share, 'share of positions that it does not store'),
};

const envelopeOf = <C extends string, V extends number>(command: C, version: V) => ({
  schema: about(v.literal(schemaName(command, version)), 'this schema'),
  waferstream: about(text, 'the version of waferstream that wrote it'),
});

/** One object for a whole command. */
export const document = <C extends string, V extends number, E extends v.ObjectEntries>(command: C, version: V, entries: E) => v.strictObject({ ...envelopeOf(command, version), ...entries });

/** One line of a command that tells as it goes: `type` says which. */
export const line = <C extends string, V extends number, T extends string, E extends v.ObjectEntries>(command: C, version: V, type: T, entries: E) =>
  v.strictObject({ ...envelopeOf(command, version), type: about(v.literal(type), 'what the line tells'), ...entries });

/** A command's JSON: one document, or a line for each thing that it tells. */
export interface JsonOf<S extends v.GenericSchema> {
  readonly command: string;
  readonly version: number;
  readonly form: 'document' | 'lines';
  readonly schema: S;
}
