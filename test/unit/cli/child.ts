/** The built command as a child process: what it says, and how it ends. It is never killed by these tests: it ends because nothing is left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import * as v from 'valibot';
import { jsonSchemas } from '../../support/json-list.js';
import { schemaName } from '../../../src/report/json.js';
import { waferstreamVersion } from '../../../src/util/version.js';
import { projectRoot } from '../../support/golden.js';

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly cwd?: string;
  /** Called at each line of stdout. */
  readonly onLine?: (line: string, child: ReturnType<typeof spawn>) => void;
}

export const waferstream = (args: readonly string[], options: ChildOptions = {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
    let stderr = '';
    const stdout: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout.push(line);
      options.onLine?.(line, child);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout.join('\n'), stderr }));
  });

/** One object of `--json`, held to its schema: exactly as the code has it, and as it is published. */
const held = (line: string): Record<string, unknown> => {
  const value = JSON.parse(line) as Record<string, unknown>, json = jsonSchemas.find(({ command, version }) => schemaName(command, version) === value['schema']);
  assert.ok(json !== undefined, `no schema '${String(value['schema'])}': ${line}`);
  const exact = v.safeParse(json.schema, value);
  assert.ok(exact.success, `${exact.issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`).join('; ')}: ${line}`);
  assert.equal(value['waferstream'], waferstreamVersion);
  assert.deepEqual(Object.keys(value).slice(0, 2), ['schema', 'waferstream']);
  const isPublished = publishedCheck(json.command);
  assert.ok(isPublished(value), `${JSON.stringify(isPublished.errors)}: ${line}`);
  return value;
};

const checks = new Map<string, ValidateFunction>();
/** The check of a file in docs/schema/, by a library that knows nothing of how it came about. */
const publishedCheck = (command: string): ValidateFunction => {
  const known = checks.get(command);
  if (known !== undefined) return known;
  const made = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(JSON.parse(readFileSync(join(projectRoot(), 'docs/schema', `${command}.json`), 'utf8')) as object);
  checks.set(command, made);
  return made;
};

/** The JSON lines of a run, each held to its schema. */
export const jsonLines = (ended: Ended): Record<string, unknown>[] => ended.stdout.split('\n').map(held);

/** The one document of a run, held to its schema. */
export const jsonDocument = (ended: Ended): Record<string, unknown> => {
  const [document = {}, ...more] = jsonLines(ended);
  assert.deepEqual(more, []);
  return document;
};
