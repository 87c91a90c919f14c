/** Every schema of `--json`, by its command; docs/schema/ and docs/json.md are made of these, and the tests hold what commands print to them. Not here: the schemas themselves (src/cli/json/). */
import type * as v from 'valibot';
import { errorJson } from '../../src/cli/json/error.js';
import { checkJson, generateJson, inspectJson, pruneJson } from '../../src/cli/json/files.js';
import type { JsonOf } from '../../src/cli/json/kinds.js';
import { demoJson, trainJson, verifyJson } from '../../src/cli/json/training.js';

export const jsonSchemas: readonly JsonOf<v.GenericSchema>[] = [trainJson, generateJson, pruneJson, inspectJson, checkJson, verifyJson, demoJson, errorJson];
