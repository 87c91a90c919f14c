/** `waferstream inspect FILE`: the tensors of a checkpoint, read from its headers alone. Not here: the table (formats/inspect.ts). */
import { describeCheckpoint, inspectCheckpoint } from '../index.js';
import type { Options } from './options.js';
import { print, printJson } from './progress.js';

export const inspect = async (options: Options, file: string): Promise<number> => {
  const found = await inspectCheckpoint(file);
  if (options.json === true) {
    for (const row of found.rows) printJson({ type: 'tensor', ...row });
    printJson({ type: 'summary', path: found.path, ...found.totals, metadata: found.metadata });
  } else print(describeCheckpoint(found));
  return 0;
};
