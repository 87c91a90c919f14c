/**
 * The test runner's front: hands every `*.test.js` of the built tests to node's own runner, which on Node 20 knows no patterns.
 *
 *   node dist/test/run.js [part of a path …]        only files whose path has one of the parts
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = import.meta.dirname;
const wanted = process.argv.slice(2);
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .toSorted()
  .map((file) => join(root, file));
if (files.length === 0) {
  console.error(`no test file has ${wanted.join(' or ')} in its path`);
  process.exit(1);
}
// Two files at a time: the machine this has to pass on has two cores.
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], { stdio: 'inherit' });
process.exit(status ?? 1);
