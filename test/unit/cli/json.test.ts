/** `--json` of every command: schemas as published are those of the code, stdout holds what they say and nothing else, errors are data with the same exit codes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { commandOptions } from '../../../src/cli/commands.js';
import { errorBody } from '../../../src/cli/json/error.js';
import { jsonSchemas } from '../../support/json-list.js';
import { DoesNotFit, InvalidConfig } from '../../../src/index.js';
import { waferstreamVersion } from '../../../src/util/version.js';
import { projectRoot } from '../../support/golden.js';
import { jsonPage, schemaFiles } from '../../support/json-schemas.js';
import { jsonDocument, jsonLines, waferstream, type Ended } from './child.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-json-'));
  await writeFile(join(root, 'text.txt'), 'She sells sea shells by the sea shore. '.repeat(60));
  const trained = await run('train --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 12 --batch-size 4 --steps 2 --save gpt');
  assert.deepEqual([trained.code, trained.stderr], [0, ''], trained.stderr);
});
after(() => rm(root, { recursive: true }));

const run = (line: string): Promise<Ended> => waferstream(line.split(' '), { cwd: root });
const good = async (line: string): Promise<Ended> => {
  const ended = await run(`${line} --json`);
  assert.deepEqual([ended.code, ended.stderr], [0, ''], `${line}: ${ended.stderr}`);
  return ended;
};
const small = '--data text.txt --hidden 16 --layers 1 --embed 4 --context 4 --batch-size 64';

describe('schemas', () => {
  test('docs/schema/ and docs/json.md are those of the code: npm run schemas', () => {
    const docs = join(projectRoot(), 'docs'), files = schemaFiles();
    assert.deepEqual(readdirSync(join(docs, 'schema')).toSorted(), [...files.keys()].toSorted());
    for (const [name, text] of files) assert.equal(readFileSync(join(docs, 'schema', name), 'utf8'), text, name);
    assert.equal(readFileSync(join(docs, 'json.md'), 'utf8'), jsonPage());
  });

  test('every command takes --json and has a schema; the version is that of package.json', () => {
    const known = new Set(jsonSchemas.map(({ command }) => command));
    for (const [command, options] of Object.entries(commandOptions)) assert.ok((options as readonly string[]).includes('json') && known.has(command), command);
    assert.equal((JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8')) as { readonly version: string }).version, waferstreamVersion);
  });
});

describe('lines', () => {
  test('train: with evaluations, sparsity, narrow types, clipping and flash', async () => {
    const usual = jsonLines(await good(`train ${small} --steps 4 --evaluation-split 0.2 --evaluate-every 2 --clip-norm 1`));
    assert.deepEqual(usual.map(({ type }) => type), ['step', 'step', 'evaluation', 'step', 'step', 'evaluation', 'summary']);
    const full = jsonLines(await good('train --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 12 --batch-size 4 --steps 3 --sparsity 0.5 --sparsity-algorithm set --sparsity-update-every 2 --precision float16 --flash-dir flash --checkpoint-dir saves --checkpoint-every 2'));
    const { tiers, checkpoints, lossScale, saved } = full.at(-1) ?? {};
    assert.ok(tiers !== null && typeof lossScale === 'number' && saved === null);
    assert.equal((checkpoints as { readonly count: number }).count, 2);
    assert.ok('tiers' in (full[0] ?? {}) && 'masksUpdated' in (full[0] ?? {}));
    for (const path of ['flash', 'saves', 'saves/step-00000002']) assert.equal(jsonDocument(await good(`inspect ${path}`))['kind'], { flash: 'store', saves: 'checkpoints' }[path] ?? 'checkpoint', path);
    assert.deepEqual([jsonLines(await good('check flash')).at(-1)?.['damaged'], jsonLines(await good('check saves')).at(-1)?.['files']], [0, 8]);
  });

  test('verify and demo', async () => {
    const [verified, shown] = await Promise.all([good(`verify ${small} --steps 2`), good('demo --steps 3 --dim 16 --layers 1 --heads 2 --context 24 --max-tokens 4')]);
    const shapes = jsonLines(verified), told = jsonLines(shown);
    assert.deepEqual([...new Set(shapes.map(({ type }) => type))], ['shape', 'reference', 'summary']);
    assert.deepEqual([shapes.at(-1)?.['same'], shapes.at(-1)?.['withinBounds']], [true, true]);
    assert.deepEqual([...new Set(told.map(({ type }) => type))].toSorted(), ['evaluation', 'proof', 'step', 'summary', 'text']);
    assert.deepEqual([told.at(-1)?.['type'], told.at(-1)?.['same'], told.filter(({ type }) => type === 'text').length], ['proof', true, 4]);
  });
});

describe('documents', () => {
  test('generate, inspect, prune', async () => {
    const [texts, found, pruned] = await Promise.all([good('generate --weights gpt --max-tokens 3 --prompt She --prompt sea'), good('inspect gpt'), good('prune --weights gpt --sparsity 0.5 --save pruned')]);
    assert.deepEqual((jsonDocument(texts)['texts'] as { readonly prompt: string; readonly tokens: number }[]).map(({ prompt, tokens }) => [prompt, tokens]), [['She', 3], ['sea', 3]]);
    assert.deepEqual([jsonDocument(found)['kind'], jsonDocument(found)['masks']], ['weights', null]);
    assert.equal(jsonDocument(pruned)['sparsity'], 0.5);
  });
});

describe('errors', () => {
  const cases: readonly (readonly [line: string, code: number, kind: string])[] = [
    ['train --data nowhere.txt', 1, 'CorruptFile'], ['train --data text.txt --steps none', 78, 'InvalidConfig'], ['train --nonsense', 78, 'InvalidConfig'], ['inspect', 78, 'InvalidConfig'],
    ['generate --weights nowhere --prompt a', 1, 'CorruptFile'], ['check nowhere', 1, 'CorruptFile'], ['prune', 78, 'InvalidConfig'], ['verify --data text.txt --model gpt --dim 3 --heads 2', 78, 'InvalidConfig'], ['demo --steps 0', 78, 'InvalidConfig'],
    ['train --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 12 --rows 1 --cols 1 --batch-size 64', 78, 'DoesNotFit'],
  ];
  for (const [line, code, kind] of cases) {
    test(`${line}: ${kind} on stdout, the line for people on stderr, exit code ${code} as without --json`, async () => {
      const [plain, ended] = await Promise.all([run(line), run(`${line} --json`)]);
      assert.deepEqual([plain.code, plain.stdout, ended.code, ended.stderr], [code, '', code, plain.stderr]);
      const error = jsonDocument(ended);
      assert.deepEqual([error['schema'], error['type'], error['kind'], error['exitCode'], `waferstream: ${String(error['message'])}\n`], ['waferstream/error/1', 'error', kind, code, ended.stderr]);
      assert.ok(typeof error['what'] === 'string' && String(error['message']).includes(error['what']), JSON.stringify(error));
    });
  }

  test('parts stay data: what was found, what is allowed, what would help', async () => {
    const error = jsonDocument(await run('train --data text.txt --steps none --json'));
    assert.deepEqual([error['what'], error['where'], error['value'], error['limit'], error['hint']], ['option --steps', null, 'none', `a whole number from 1 to ${2 ** 30}`, null]);
    const parts = (of: unknown): unknown[] => {
      const { what, value, limit } = errorBody(of, 'm', 78);
      return [what, value, limit];
    };
    assert.deepEqual(parts(new DoesNotFit({ what: 'it', needBytes: 5, haveBytes: 3 })).slice(1), [5, 3]);
    assert.deepEqual(parts(new InvalidConfig({ what: 'it', value: Number.NaN, limit: [1, { two: 2 }] })), ['it', 'NaN', [1, { two: 2 }]]);
    assert.deepEqual(parts(new InvalidConfig({ what: 'it', value: 3n })).slice(1), ['3', null]);
    assert.deepEqual([errorBody(new TypeError('odd'), 'odd', 1).kind, errorBody('text', 'text', 1).kind], ['TypeError', 'Error']);
  });

  test('a signal is told too', async () => {
    const ended = await waferstream(['train', ...small.split(' '), '--steps', '100000000', '--json'], { cwd: root, onLine: (line, child) => void (line.includes('"step":3,') && child.kill('SIGINT')) });
    const { type, kind, exitCode } = jsonLines(ended).at(-1) ?? {};
    assert.deepEqual([ended.code, type, kind, exitCode], [130, 'error', 'Stopped', 130]);
  });
});

describe('files beside the weights', () => {
  test('--trace, --tensorboard and --csv write what the steps say', async () => {
    const lines = jsonLines(await good(`train ${small} --steps 4 --evaluation-split 0.2 --evaluate-every 2 --trace trace.json --tensorboard events --csv run.csv`));
    const { written } = lines.at(-1) as { readonly written: { readonly trace: string; readonly tensorboard: string; readonly csv: readonly string[]; readonly hostTurns: number; readonly hostTurnsDropped: number } };
    assert.deepEqual([written.trace, written.csv, written.hostTurnsDropped], ['trace.json', ['run.csv', 'run.counts.csv', 'run.evaluations.csv', 'run.passes.csv'], 0]);
    const rows = readFileSync(join(root, 'run.csv'), 'utf8').trimEnd().split('\r\n').map((row) => row.split(','));
    assert.deepEqual(rows.map((row) => row.slice(0, 2)), [['step', 'loss'], ...lines.filter(({ type }) => type === 'step').map(({ step, loss }) => [String(step), String(loss)])]);
    assert.match(readFileSync(join(root, 'run.counts.csv'), 'utf8'), /^total,\d+/m);
    assert.equal(readFileSync(join(root, 'run.evaluations.csv'), 'utf8').split('\r\n').length, 4);
    const { traceEvents } = JSON.parse(readFileSync(join(root, 'trace.json'), 'utf8')) as { readonly traceEvents: readonly { readonly ph: string; readonly pid: number; readonly name: string }[] };
    assert.equal(traceEvents.filter(({ ph, pid }) => ph === 'X' && pid === 2).length, written.hostTurns);
    assert.ok(traceEvents.some(({ pid, name }) => pid === 1 && name.endsWith(' · linear.forward')));
    assert.match(readFileSync(join(root, 'run.passes.csv'), 'utf8'), /^0,gather,forward,/m);
    assert.ok(traceEvents.some(({ name }) => name === 'tile.work'), [...new Set(traceEvents.map(({ name }) => name))].join());
    const events = readFileSync(join(root, written.tensorboard), 'latin1');
    assert.ok(written.tensorboard.startsWith(join('events', 'events.out.tfevents.')) && events.includes('brain.Event:2'));
    assert.deepEqual([events.split('loss/training').length - 1, events.split('loss/evaluation perplexity').length - 1], [4, 2]);
    assert.equal(events.split('predicted/utilization').length - 1, 1);
  });

  test('a place where nothing can be written is refused before the first step', async () => {
    for (const [option, path] of [['--trace', 'nowhere/trace.json'], ['--trace', 'gpt'], ['--csv', 'nowhere/run.csv'], ['--tensorboard', 'text.txt']] as const) {
      const ended = await run(`train ${small} --steps 2 ${option} ${path}`);
      assert.deepEqual([ended.code, ended.stdout], [78, '']);
      assert.match(ended.stderr, new RegExp(`^waferstream: option ${option}: nothing can be written there \\(got '${path}'\\); check the path \\(E\\w+\\)\n$`));
    }
    assert.ok(!existsSync(join(root, 'nowhere')));
  });

  test('without --json the end names them', async () => {
    const ended = await run(`train ${small} --steps 2 --trace again.json --csv again`);
    assert.equal(ended.stderr, '');
    assert.match(ended.stdout, /^trace of a step on the machine and of [\d,]+ turns of threads in again\.json: open it in ui\.perfetto\.dev\ntables in again, again\.counts\.csv, again\.passes\.csv$/m);
  });
});
