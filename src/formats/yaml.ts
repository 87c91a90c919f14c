/** Configuration files, YAML or JSON, as plain data; what is wrong is named by line and column. Not here: what the values mean. */
import { LineCounter, parseDocument } from 'yaml';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { MiB } from '../util/units.js';
import { readWhole } from './files.js';
import { parseUtf8 } from './json.js';

const bytesMax = MiB;

const parseYaml = (text: string, path: string): unknown => {
  const refuse = (what: string, where: string, cause: unknown): CorruptFile => new CorruptFile({ what: `neither YAML nor JSON: ${what}`, where }, { cause });
  const lineCounter = new LineCounter(), document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true, logLevel: 'error' }), [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lineCounter.linePos(problem.pos[0]);
    throw refuse(problem.code === 'MULTIPLE_DOCS' ? 'more than one document' : problem.message, `${path}, line ${line}, column ${col}`, problem);
  }
  try {
    const value: unknown = document.toJS();
    // An alias may stand inside what it repeats.
    JSON.stringify(value);
    return value;
  } catch (cause) {
    throw refuse(cause instanceof TypeError ? 'an alias that contains itself' : cause instanceof Error ? cause.message : String(cause), path, cause);
  }
};

/** The one document of a file. @throws CorruptFile for what is neither YAML nor JSON, InvalidConfig for a file that is too large */
export const readYaml = async (path: string): Promise<unknown> => {
  const bytes = await readWhole(path);
  if (bytes.length > bytesMax) throw new InvalidConfig({ what: 'the file is too large for a configuration', where: path, value: bytes.length, limit: bytesMax });
  return parseYaml(parseUtf8(bytes, path), path);
};
