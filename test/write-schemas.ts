/** Writes docs/schema/ and the fields of docs/json.md anew (`npm run schemas`), after a change of a schema in src/cli/json/. Not here: what they say (support/json-schemas.ts). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './support/golden.js';
import { jsonPage, schemaFiles } from './support/json-schemas.js';

const docs = join(projectRoot(), 'docs');
mkdirSync(join(docs, 'schema'), { recursive: true });
for (const [name, text] of schemaFiles()) writeFileSync(join(docs, 'schema', name), text);
writeFileSync(join(docs, 'json.md'), jsonPage());
