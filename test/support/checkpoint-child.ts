/**
 * A process of its own that writes checkpoints without end, keeps three, and says each that is finished; for tests that kill it or limit it. An error of the project is one
 * line of JSON. Not here: the judgement (unit/formats/checkpoint/real-files.test.ts).
 */
import { writeSync } from 'node:fs';
import { latestCheckpoint, pruneCheckpoints } from '../../src/formats/checkpoint/folders.js';
import { realFileSystem } from '../../src/storage/real-file-system.js';
import { WaferstreamError } from '../../src/util/errors.js';
import { writeWhole } from './checkpoints.js';

const [dir = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

try {
  for (let step = (latestCheckpoint(dir)?.step ?? 0) + 1; ; step++) {
    writeWhole(dir, step, realFileSystem);
    say(String(step));
    pruneCheckpoints(dir, 3);
  }
} catch (error) {
  if (!(error instanceof WaferstreamError)) throw error;
  say(JSON.stringify({ name: error.name, message: error.message, value: error.details.value }));
}
