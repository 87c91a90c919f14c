/**
 * The envelope of everything that is written as JSON: which schema it follows, and which waferstream wrote it.
 *
 *   { "schema": "waferstream/<command>/<version>", "waferstream": "<version>", … }
 *
 * A schema's version changes when a field goes away or means something else; fields may come without that. Not here: the schemas (cli/json/, docs/schema/), printing.
 */
import { waferstreamVersion } from '../util/version.js';

export interface Envelope {
  readonly schema: string;
  readonly waferstream: string;
}

/** The name of a schema. */
export const schemaName = <C extends string, V extends number>(command: C, version: V): `waferstream/${C}/${V}` => `waferstream/${command}/${version}`;

/** The body with its envelope, which comes first. */
export const envelope = <B extends object>(command: string, version: number, body: B): Envelope & B => ({ schema: schemaName(command, version), waferstream: waferstreamVersion, ...body });
